// What is shown of a choice: the answer, the tables, the curves and where the numbers come from.

const USUAL_CONTEXTS = [8192, 32768, 131072, 262144, 1048576];
const HUES = hues(data.engines);
const OCTAVE = 4; // steps of the slider from a context to its double

/** A colour of the style for each engine: the first is that of what attention itself needs. */
function hues(engines) {
    let others = 0;
    return engines.map(({ name }) => (name === "ideal" ? 0 : (others++ % 8) + 1));
}

const release = ({ name, version }) => `${name.replace(/@.*/, "")} ${version}`.trim();

const bytesSaid = (bytes) => `${grouped(bytes)} bytes, ${binarySize(bytes)}`;

const pastMaximum = ({ name, max }, context) =>
    `. A context of ${grouped(context)} tokens is past the ${grouped(max)} that ${name} was made for.`;

const cannot = () => html("span", { class: "cannot" }, "cannot");

function showAnswer(choice, answer) {
    const model = data.models[choice.model];
    const engine = data.engines[choice.engine];
    const ranks = data.ranks[choice.gpus];
    found("answer-title").replaceChildren(`${model.name} on ${release(engine)}`);
    const window = choice.window === null ? "" : `, window ${grouped(choice.window)}`;
    const type = answer.type ?? (data.dtypes[choice.dtype] || "the model's own element type");
    const on = ranks === 1 ? "1 GPU" : `${ranks} GPUs`;
    const amount = `${grouped(choice.context)} tokens, ${plural(choice.sequences, "sequence")}`;
    const where = `${amount}${window}, ${type}, ${on}`;
    const past = model.max !== null && choice.context > BigInt(model.max);
    found("said").replaceChildren(
        where,
        past ? html("strong", {}, pastMaximum(model, choice.context)) : "",
    );
    found("figure").className = answer.error ? "error" : "";
    if (answer.error) {
        found("figure").replaceChildren(answer.error);
        found("beside").replaceChildren();
        return `${engine.name}: ${answer.error}`;
    }
    found("figure").replaceChildren(
        html("span", { class: "exact" }, grouped(answer.bytes)),
        " bytes",
        html("span", { class: "size" }, binarySize(answer.bytes)),
    );
    const ideal = least(choice);
    const beside = [];
    if (ranks > 1) beside.push(["on the fullest GPU", bytesSaid(answer.perGpu)]);
    if (ideal && engine.name !== "ideal")
        beside.push(["times what attention itself needs", decimal(answer.bytes, ideal, 3)]);
    if (answer.peak !== null && answer.peak !== answer.bytes) {
        beside.push(["at the peak, before the end", bytesSaid(answer.peak)]);
    }
    found("beside").replaceChildren(
        ...beside.map(([term, value]) =>
            html("div", {}, html("dt", {}, term), html("dd", {}, value)),
        ),
    );
    return `${bytesSaid(answer.bytes)}: ${model.name} on ${release(engine)}, ${where}`;
}

function showEngines(choice, ideal) {
    const shared = data.ranks[choice.gpus] > 1;
    const reasons = [];
    const rows = data.engines.map((engine, place) => {
        const answer = answered({ ...choice, engine: place });
        const name = html(
            "span",
            { class: "name" },
            html("span", { class: `swatch hue${HUES[place]}`, "aria-hidden": "true" }),
            choiceOf("engine", engine.name, engine.name),
            html("small", {}, engine.name.includes("@") ? "" : engine.version),
        );
        const said = answer.error || answer.why;
        if (said) reasons.push(html("li", {}, html("b", {}, engine.name), `: ${said}`));
        const ratio = ideal && !answer.error ? decimal(answer.bytes, ideal, 3) : "";
        const amounts = answer.error
            ? [cannot(), ""]
            : [amountCell(answer.bytes), amountCell(answer.perGpu)];
        const cells = [name, ...(shared ? amounts : amounts.slice(0, 1)), ratio];
        return { cells, chosen: place === choice.engine };
    });
    const head = ["engine", "bytes", ...(shared ? ["fullest GPU"] : []), "\u00d7 ideal"];
    fill(found("engines"), head, rows);
    patch(found("reasons"), reasons);
}

/** A button that sets a field. */
const choiceOf = (field, value, text) =>
    choice(text, found(field).value === value, () => {
        found(field).value = value;
        changed();
    });

function contextsOf({ contexts, max }, context) {
    const usual = contexts.length
        ? contexts
        : USUAL_CONTEXTS.filter((one) => max === null || one <= max);
    const all = new Set([...usual.map(BigInt), context]);
    return [...all].sort((a, b) => (a < b ? -1 : 1));
}

function showContexts(choice, contexts) {
    const model = data.models[choice.model];
    const own = model.windows.length === 1 ? BigInt(model.windows[0]) : null;
    const here = choice.window ?? own;
    const beside = new Set([...model.compared.map(BigInt), ...(own === null ? [] : [own])]);
    const others = [...beside].filter((window) => window !== here);
    const answers = contexts.map((context) => answered({ ...choice, context }));
    found("contexts").closest("section").hidden = answers.every((one) => one.error);
    const hasFull = answers.some((one) => one.full != null);
    const title = here === null || model.noWindow ? "bytes" : `window ${grouped(here)}`;
    const largest = others.reduce((a, b) => (b > a ? b : a), 0n);
    const against = largest > (here ?? 0n) ? largest : null; // saved of this window, or of full
    const head = [
        "context",
        title,
        ...others.map((window) => `window ${grouped(window)}`),
        ...(hasFull ? ["all layers full", `saved of ${against ? grouped(against) : "full"}`] : []),
    ];
    const rows = contexts.map((context, at) => {
        const { bytes = null, full = null, error } = answers[at];
        const whole = against ? bytesOf({ ...choice, context, window: against }) : full;
        const saved = whole && !error ? `${decimal((whole - bytes) * 100n, whole, 1)} %` : "\u2013";
        const cells = [
            grouped(context),
            error ? cannot() : amountCell(bytes),
            ...others.map((window) => amountCell(bytesOf({ ...choice, context, window }))),
            ...(hasFull ? [amountCell(full), saved] : []),
        ];
        return { cells, chosen: context === choice.context };
    });
    fill(found("contexts"), head, rows);
}

function showLayers(answer) {
    found("layers").closest("section").hidden = Boolean(answer.error);
    const groups = answer.error ? [] : answer.groups();
    const rows = groups.map(({ kind, layers, window, bytes }) => ({
        cells: [
            kind.replaceAll("_", " "),
            grouped(layers),
            window === null ? "" : grouped(window),
            amountCell(bytes),
        ],
    }));
    fill(found("layers"), ["layers", "count", "window", "bytes"], rows);
}

function showModels(choice) {
    found("all").hidden = data.models.length < 2;
    if (found("all").hidden) return;
    const rows = data.models.map(({ name, max }, model) => {
        const typed = found("context").value.trim() !== "";
        const context = typed || max === null ? choice.context : BigInt(max);
        const sizes = data.engines.map((_, engine) => {
            const bytes = bytesOf({ ...choice, model, engine, context });
            return bytes === null ? "\u2013" : html("data", { value: bytes }, binarySize(bytes));
        });
        return {
            cells: [choiceOf("model", name, name), shortCount(context), ...sizes],
            chosen: model === choice.model,
        };
    });
    fill(found("models"), ["model", "context", ...data.engines.map(({ name }) => name)], rows);
}

const READ = [
    ["cdiv", "cdiv(a, b) divides rounding up"],
    ["ceil", "ceil(a, b) rounds a up to a multiple of b"],
];

let sourcesShown = "";

function showSources(choice, answer) {
    const shown = [choice.model, choice.engine, answer.formula].join();
    if (shown === sourcesShown) return;
    sourcesShown = shown;
    const model = data.models[choice.model];
    const engine = data.engines[choice.engine];
    const entries = [[`${release(engine)}, whose rules are`, linked(engine.source)]];
    if (answer.formula) {
        const said = READ.filter(([name]) => answer.formula.includes(`${name}(`)).map(
            ([, words]) => words,
        );
        const where = said.length ? `, where ${said.join(", and ")}` : "";
        entries.push(["the formula", [html("code", {}, answer.formula), where]]);
    }
    const others = data.engines.filter((one) => one !== engine);
    const files = others.map((one) => `${release(one)}: ${one.source}`).join("; ");
    if (files) entries.push(["the other engines' rules are", [files]]);
    entries.push([`${model.name} is`, [model.source]]);
    for (const [names, origin] of model.facts) entries.push([names, linked(origin)]);
    for (const note of model.notes) entries.push(["note", [note]]);
    found("origins").replaceChildren(
        ...entries.map(([term, words]) =>
            html("div", {}, html("dt", {}, term), html("dd", {}, ...words)),
        ),
    );
}

let axisOfContexts = null;
let highest = 0;
let chartWidth = 640; // pixels; asking for it takes a layout

function showCurves(choice) {
    const isLog = found("scale").value === "log";
    const { max, contexts } = data.models[choice.model];
    highest = Math.max(2048, max ?? Math.max(262144, ...contexts), Number(choice.context));
    const sampledAt = sampled(highest, isLog);
    const curves = data.engines.map(({ name }, engine) => {
        const points = sampledAt.map((context) => [
            Number(context),
            bytesOf({ ...choice, engine, context }),
        ]);
        const shown = points
            .filter(([, bytes]) => bytes !== null)
            .map(([at, bytes]) => [at, Number(bytes)]);
        return { name, hue: HUES[engine], chosen: engine === choice.engine, points: shown };
    });
    axisOfContexts = drawChart(
        found("chart"),
        curves,
        Number(choice.context),
        highest,
        isLog,
        chartWidth,
    );
    const slider = found("slider");
    slider.max = Math.round(Math.log2(highest) * OCTAVE);
    slider.min = Math.min(10 * OCTAVE, slider.max - 1);
    slider.value = Math.round(Math.log2(Number(choice.context)) * OCTAVE);
    slider.setAttribute("aria-valuetext", plural(choice.context, "token"));
    const drawnNames = curves.filter(({ points }) => points.length).map(({ name }) => name);
    found("chart-said").replaceChildren(
        `Bytes against the context, up to ${grouped(highest)} tokens, on ${drawnNames.join(", ")}; ` +
            "the tables beside it have the figures.",
    );
}
