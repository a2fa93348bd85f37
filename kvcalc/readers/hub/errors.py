"""Failures of the Hub, each as a sentence about the repository."""

from collections.abc import Iterator
from contextlib import contextmanager

from kvcalc.errors import KvcalcError, MissingExtraError, SourceError, first_line, quote
from kvcalc.readers.hub.ids import HubId

# By the names of exception classes, the most derived first: the HTTP library of huggingface_hub,
# and with it the classes for a failed connection, differ between its versions.
SENTENCES = {
    "GatedRepoError": "{repository} is gated: ask for access on its page on the Hub, then set "
    "HF_TOKEN to a token of that account",
    "DisabledRepoError": "{repository} has been disabled on the Hub; use another repository",
    "RevisionNotFoundError": "{repository} has no revision {revision}; name one of its branches, "
    "tags or commits",
    "RepositoryNotFoundError": "{repository} is not a repository on the Hub, or is private; check "
    "its name, or set HF_TOKEN to a token that may read it",
    "OfflineModeIsEnabled": "{repository} is not in the cache and offline mode is on; unset "
    "HF_HUB_OFFLINE to fetch it",
    "HfHubHTTPError": "{repository} cannot be read, the Hub answered HTTP {status}; check "
    "HF_TOKEN, or try again later",
    "TooLongError": "{repository} cannot be fetched, the Hub's answer was {reason}; check the "
    "network and HF_ENDPOINT, and try again",
    "TransportError": "{repository} cannot be fetched, the Hub gave no complete answer ({reason}); "
    "check the network and HF_ENDPOINT, and try again",
    "Exception": "{repository} cannot be read from the Hub ({reason}); check HF_ENDPOINT and "
    "HF_HOME, and try again",
}


@contextmanager
def hub_errors(hub_id: HubId) -> Iterator[None]:
    """Turn whatever huggingface_hub raises into a sentence about the repository."""
    try:
        yield
    except KvcalcError:
        raise
    except ImportError:
        purpose = f"reading {quote(hub_id.repository)} from the Hugging Face Hub needs"
        raise MissingExtraError.of(purpose, "hub") from None
    except Exception as error:
        names = (cls.__name__ for cls in type(error).__mro__)
        sentence = next(SENTENCES[name] for name in names if name in SENTENCES)
        response = getattr(error, "response", None)
        raise SourceError(
            sentence.format(
                repository=quote(hub_id.repository),
                revision=quote(hub_id.revision or "main"),
                status=getattr(response, "status_code", None),
                reason=quote(first_line(error)),
            ),
            source=hub_id.repository,
        ) from None
