// The page: after each change all is worked out again.

/** Work everything out again: what is wrong is said at its field, and the answers stay. */
function show() {
    let choice;
    try {
        choice = chosen();
    } catch (error) {
        if (!(error instanceof Unread)) throw error;
        showFields(error);
        document.body.classList.add("stale");
        return "";
    }
    showFields(null);
    document.body.classList.remove("stale");
    const answer = answered(choice);
    const contexts = contextsOf(data.models[choice.model], choice.context);
    const sentence = showAnswer(choice, answer);
    showCurves(choice);
    showEngines(choice, least(choice));
    showContexts(choice, contexts);
    showLayers(answer);
    showModels(choice);
    showSources(choice, answer);
    found("fits").hidden = !data.gpu || Boolean(answer.error);
    showCommands(choice, contexts);
    return sentence;
}

let waiting = 0;

/** After a change: show at once; the address and what a screen reader hears follow a pause. */
function changed() {
    const sentence = show();
    clearTimeout(waiting);
    waiting = setTimeout(() => {
        toAddress();
        found("live").replaceChildren(sentence);
    }, 400);
}

/** Copy a text; where the browser does not let a page do so, select it. */
async function copy(button, element) {
    getSelection().selectAllChildren(element);
    try {
        await navigator.clipboard.writeText(element.textContent);
    } catch {
        return;
    }
    getSelection().removeAllRanges();
    button.replaceChildren("Copied");
    setTimeout(() => button.replaceChildren("Copy"), 1500);
}

function setContext(tokens) {
    found("context").value = String(Math.max(1, Math.round(tokens)));
    changed();
}

function start() {
    for (const [field, options] of Object.entries(OPTIONS)) {
        found(field).append(...options.map(([value, text]) => html("option", { value }, text)));
    }
    for (const field of CHOICES) found(field).addEventListener("change", changed);
    for (const field of AMOUNTS) found(field).addEventListener("input", changed);
    found("settings").addEventListener("submit", (event) => event.preventDefault());
    found("slider").addEventListener("input", () => {
        setContext(Math.min(highest, 2 ** (Number(found("slider").value) / OCTAVE)));
    });
    const point = (event) => {
        if (!event.buttons || axisOfContexts === null) return;
        const box = found("chart").getBoundingClientRect();
        const share = (event.clientX - box.left) / box.width;
        const at = axisOfContexts.amount(share * found("chart").viewBox.baseVal.width);
        setContext(Math.min(highest, Math.max(1, at)));
    };
    found("chart").addEventListener("pointerdown", point);
    found("chart").addEventListener("pointermove", point);
    for (const button of document.querySelectorAll("button.copy")) {
        button.addEventListener("click", () => copy(button, found(button.dataset.of)));
    }
    found("made").replaceChildren(
        `Made by kvcalc ${data.version}: `,
        html("code", {}, data.command),
    );
    fromAddress();
    show();
    addEventListener("hashchange", () => {
        fromAddress();
        show();
    });
    new ResizeObserver(
        ([
            {
                contentRect: { width },
            },
        ]) => {
            if (width === 0 || Math.round(width) === chartWidth) return;
            chartWidth = Math.max(280, Math.round(width));
            show();
        },
    ).observe(found("chart"));
}

start();
