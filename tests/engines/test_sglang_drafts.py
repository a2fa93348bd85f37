"""What SGLang's drafts widen: the request table, and the window that is set aside."""

from typing import Any

from tests.each import each
from tests.engines.sglang_models import EXAONE, WHAT_IF, pool


@each(
    ("settings", "columns"),
    [
        ({}, 4),
        # 4 columns to spare, and one for each drafted token.
        ({"speculative_num_draft_tokens": 8}, 12),
        # Whole pages of a token a branch, for four branches, twice.
        (
            {
                "speculative_num_draft_tokens": 8,
                "speculative_num_steps": 5,
                "speculative_eagle_topk": 4,
                "page_size": 16,
            },
            2 * 4 * 2 * 16 + 15,
        ),
        # A branch of one step fills a page more where it starts at the end of one.
        *(
            (
                {
                    "speculative_num_draft_tokens": 8,
                    "speculative_num_steps": steps,
                    "speculative_eagle_topk": 4,
                    "page_size": 16,
                },
                2 * 4 * pages * 16 + 15,
            )
            for steps, pages in ((1, 1), (2, 2), (17, 2), (18, 3))
        ),
        # One step unless more are asked for.
        ({"speculative_num_draft_tokens": 1, "page_size": 16}, 2 * 1 + 15),
    ],
)
def test_a_draft_widens_the_request_table(settings: dict[str, Any], columns: int) -> None:
    figures = pool(EXAONE, max_running_requests=10, **settings).figures
    assert figures["req_to_token"] == 11 * (262_144 + columns) * 4


@each(
    ("settings", "ahead"),
    [
        ({}, 2 * 6),
        ({"disable_overlap_schedule": True}, 6),
        ({"disable_overlap_schedule": True, "page_size": 16}, 16),
        ({"disable_overlap_schedule": True, "page_size": 16, "speculative_eagle_topk": 2}, 64),
        # One step unless more are asked for: a branch of it and a page, in whole pages, for two.
        (
            {
                "disable_overlap_schedule": True,
                "page_size": 16,
                "speculative_num_steps": None,
                "speculative_eagle_topk": 2,
            },
            2 * 32,
        ),
        *(
            (
                {
                    "disable_overlap_schedule": True,
                    "page_size": 16,
                    "speculative_num_steps": steps,
                },
                ahead,
            )
            for steps, ahead in ((16, 16), (17, 32), (33, 48))
        ),
    ],
)
def test_a_draft_widens_the_window_that_is_set_aside(settings: dict[str, Any], ahead: int) -> None:
    draft = {"speculative_num_draft_tokens": 4, "speculative_num_steps": 6}
    given = {"disable_radix_cache": True, "max_running_requests": 10, **draft, **settings}
    page = given.get("page_size", 1)
    chunks = 4096 if "disable_overlap_schedule" in settings else 2 * 4096
    cap = (128 + 128 * 4 + page + ahead) * 10 + chunks + page
    assert pool(WHAT_IF, **given).figures["swa_tokens"] == -(-cap // page) * page
