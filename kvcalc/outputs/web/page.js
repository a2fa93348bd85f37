// The page: its settings, which the address repeats, and what follows from them.

const DEFAULTS = { model: data.models[0].name, engine: data.engines[0].name, dtype: data.dtypes[0],
  gpus: String(data.ranks[0]), context: data.context ?? "", sequences: data.sequences,
  window: data.window ?? "", scale: "log" };
const CHOICES = ["model", "engine", "dtype", "gpus", "scale"];
const AMOUNTS = ["context", "sequences", "window"];
const USUAL_CONTEXTS = [8192, 32768, 131072, 262144, 1048576];
const HUES = hues(data.engines);
const OCTAVE = 4; // steps of the slider from a context to its double

const OPTIONS = {
  model: data.models.map(({ name }) => [name, name]),
  engine: data.engines.map(({ name, version }) => [name, `${name} ${version}`.trim()]),
  dtype: data.dtypes.map((dtype) => [dtype, dtype || "the model's own"]),
  gpus: data.ranks.map((ranks) => [String(ranks), String(ranks)]),
};

/** A colour of the style for each engine: the first is that of what attention itself needs. */
function hues(engines) {
  let others = 0;
  return engines.map(({ name }) => (name === "ideal" ? 0 : (others++ % 8) + 1));
}

/** What an amount was refused for. */
class Unread extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** An amount as it is typed; what is empty is the model's own. */
function amountOf(field, own) {
  const text = found(field).value;
  if (text.trim() === "") return own;
  try {
    return parsedCount(text);
  } catch (error) {
    throw new Unread(field, error.message);
  }
}

/** The choice that the settings make, with places for names. */
function chosen() {
  const place = (field) => OPTIONS[field].findIndex(([value]) => value === found(field).value);
  const choice = { model: place("model"), engine: place("engine"), dtype: place("dtype"),
    gpus: place("gpus") };
  const { name, max, noWindow } = data.models[choice.model];
  choice.context = amountOf("context", max === null ? null : BigInt(max));
  if (choice.context === null) {
    throw new Unread("context", `missing, and ${name} does not say its maximum`);
  }
  choice.sequences = amountOf("sequences", 1n);
  choice.window = noWindow ? null : amountOf("window", null);
  if (choice.window !== null && choice.window > MOST_WINDOW) {
    throw new Unread("window", `expected at most ${grouped(MOST_WINDOW)}`);
  }
  return choice;
}

/** A command of kvcalc about a choice; `context` may be several, `engine` too. */
function command(name, choice, context, engine, options) {
  const { asked } = data.models[choice.model];
  const dtype = data.dtypes[choice.dtype];
  const ranks = data.ranks[choice.gpus];
  const shared = name === "fit" ? `--gpu ${data.gpu} --gpus ${ranks}` : ranks === 1 ? "" : `--tp ${ranks}`;
  return [
    `kvcalc ${name} ${asked} -e ${engine} -c ${context}`,
    choice.sequences === 1n && name !== "fit" ? "" : `-n ${choice.sequences}`,
    choice.window === null ? "" : `-w ${choice.window}`,
    dtype ? `-d ${dtype}` : "",
    shared,
    options,
  ].filter(Boolean).join(" ");
}

const release = ({ name, version }) => `${name.replace(/@.*/, "")} ${version}`.trim();

function showAnswer(choice, answer) {
  const model = data.models[choice.model];
  const engine = data.engines[choice.engine];
  const ranks = data.ranks[choice.gpus];
  found("answer-title").replaceChildren(`${model.name} on ${release(engine)}`);
  const window = choice.window === null ? "" : `, window ${grouped(choice.window)}`;
  const type = answer.type ?? (data.dtypes[choice.dtype] || "the model's own element type");
  const on = ranks === 1 ? "1 GPU" : `${ranks} GPUs`;
  const where = `${grouped(choice.context)} tokens, ${plural(choice.sequences, "sequence")}${window}, ${type}, ${on}`;
  const past = model.max !== null && choice.context > BigInt(model.max);
  found("said").replaceChildren(
    where,
    past ? html("strong", {}, ` A context of ${grouped(choice.context)} tokens is past the ${grouped(model.max)} that ${model.name} was made for.`) : "",
  );
  found("figure").className = answer.error ? "error" : "";
  if (answer.error) {
    found("figure").replaceChildren(`${engine.name}: ${answer.error}`);
    found("beside").replaceChildren();
    return `${engine.name}: ${answer.error}`;
  }
  found("figure").replaceChildren(
    html("span", { class: "exact" }, grouped(answer.bytes)), " bytes",
    html("span", { class: "size" }, binarySize(answer.bytes)),
  );
  const ideal = least(choice);
  const beside = [];
  if (ranks > 1) beside.push(["on the fullest GPU", `${grouped(answer.perGpu)} bytes, ${binarySize(answer.perGpu)}`]);
  if (ideal) beside.push(["times what attention itself needs", decimal(answer.bytes, ideal, 3)]);
  if (answer.peak !== null && answer.peak !== answer.bytes) {
    beside.push(["at the peak, while a prompt is read", `${grouped(answer.peak)} bytes, ${binarySize(answer.peak)}`]);
  }
  found("beside").replaceChildren(
    ...beside.map(([term, value]) => html("div", {}, html("dt", {}, term), html("dd", {}, value))),
  );
  return `${grouped(answer.bytes)} bytes, ${binarySize(answer.bytes)}: ${model.name} on ${release(engine)}, ${where}`;
}

function showEngines(choice, ideal) {
  const shared = data.ranks[choice.gpus] > 1;
  const reasons = [];
  const rows = data.engines.map((engine, place) => {
    const answer = answered({ ...choice, engine: place });
    const name = html("span", { class: "name" },
      html("span", { class: `swatch hue${HUES[place]}`, "aria-hidden": "true" }),
      choiceOf("engine", engine.name, engine.name),
      html("small", {}, engine.version));
    const said = answer.error || answer.why;
    if (said) reasons.push(html("li", {}, html("b", {}, engine.name), `: ${said}`));
    const ratio = ideal && !answer.error ? decimal(answer.bytes, ideal, 3) : "";
    const amounts = answer.error ? [html("span", { class: "cannot" }, "cannot"), ""] : [amountCell(answer.bytes), amountCell(answer.perGpu)];
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
  const usual = contexts.length ? contexts : USUAL_CONTEXTS.filter((one) => max === null || one <= max);
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
  const hasFull = answers.some((one) => one.full != null);
  const title = here === null || model.noWindow ? "bytes" : `window ${grouped(here)}`;
  const head = ["context", title, ...others.map((window) => `window ${grouped(window)}`),
    ...(hasFull ? ["all layers full", "saved"] : [])];
  const rows = contexts.map((context, at) => {
    const { bytes = null, full = null, error } = answers[at];
    const saved = full ? `${decimal((full - bytes) * 100n, full, 1)} %` : "\u2013";
    const cells = [grouped(context), error ? html("span", { class: "cannot" }, "cannot") : amountCell(bytes),
      ...others.map((window) => amountCell(bytesOf({ ...choice, context, window }))),
      ...(hasFull ? [amountCell(full), saved] : [])];
    return { cells, chosen: context === choice.context };
  });
  fill(found("contexts"), head, rows);
}

function showLayers(answer) {
  const groups = answer.error ? [] : answer.groups();
  const rows = groups.map(({ kind, layers, window, bytes }) => ({
    cells: [kind.replaceAll("_", " "), grouped(layers), window === null ? "" : grouped(window), amountCell(bytes)],
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
    return { cells: [choiceOf("model", name, name), shortCount(context), ...sizes], chosen: model === choice.model };
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
    const said = READ.filter(([name]) => answer.formula.includes(`${name}(`)).map(([, words]) => words);
    entries.push(["the formula", [html("code", {}, answer.formula), said.length ? `, where ${said.join(", and ")}` : ""]]);
  }
  const others = data.engines.filter((one) => one !== engine);
  const files = others.map((one) => `${release(one)}: ${one.source}`).join("; ");
  if (files) entries.push(["the other engines' rules are", [files]]);
  entries.push([`${model.name} is`, [model.source]]);
  for (const [names, origin] of model.facts) entries.push([names, linked(origin)]);
  for (const note of model.notes) entries.push(["note", [note]]);
  found("origins").replaceChildren(
    ...entries.map(([term, words]) => html("div", {}, html("dt", {}, term), html("dd", {}, ...words))),
  );
}

let axisOfContexts = null;
let highest = 0;
let chartWidth = 640; // in pixels; asked for only where it may have changed, as asking takes a layout

function showCurves(choice) {
  const isLog = found("scale").value === "log";
  const { max, contexts } = data.models[choice.model];
  highest = Math.max(2048, max ?? Math.max(262144, ...contexts), Number(choice.context));
  const sampledAt = sampled(highest, isLog);
  const curves = data.engines.map(({ name }, engine) => {
    const points = sampledAt.map((context) => [Number(context), bytesOf({ ...choice, engine, context })]);
    const shown = points.filter(([, bytes]) => bytes !== null).map(([at, bytes]) => [at, Number(bytes)]);
    return { name, hue: HUES[engine], chosen: engine === choice.engine, points: shown };
  });
  axisOfContexts = drawChart(found("chart"), curves, Number(choice.context), highest, isLog, chartWidth);
  const slider = found("slider");
  slider.max = Math.round(Math.log2(highest) * OCTAVE);
  slider.min = Math.min(10 * OCTAVE, slider.max - 1);
  slider.value = Math.round(Math.log2(Number(choice.context)) * OCTAVE);
  slider.setAttribute("aria-valuetext", plural(choice.context, "token"));
  const drawnNames = curves.filter(({ points }) => points.length).map(({ name }) => name);
  found("chart-said").replaceChildren(
    `Bytes against the context, up to ${grouped(highest)} tokens, on ${drawnNames.join(", ")}; the tables beside it have the figures.`,
  );
}

/** Say beside a field what its empty value means, or what is wrong with it. */
function showFields(error) {
  const { max, windows, noWindow } = data.models[OPTIONS.model.findIndex(([name]) => name === found("model").value)];
  const own = windows.length ? windows.map(grouped).join(", ") : "";
  const said = {
    context: max === null ? "" : `empty: its maximum, ${grouped(max)}`,
    window: noWindow ? "no sliding layers" : `empty: the model's own, ${own}`,
    sequences: "at once",
  };
  found("window").disabled = Boolean(noWindow);
  for (const field of AMOUNTS) {
    const isWrong = error !== null && error.field === field;
    found(field).toggleAttribute("aria-invalid", false);
    if (isWrong) found(field).setAttribute("aria-invalid", "true");
    found(`${field}-said`).className = isWrong ? "error" : "";
    found(`${field}-said`).replaceChildren(isWrong ? error.message : said[field]);
  }
  found("context").placeholder = max === null ? "" : grouped(max);
  found("window").placeholder = own;
}

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
  const engine = data.engines[choice.engine];
  const all = data.engines.map(({ name }) => name).join(",");
  const commands = {
    estimate: command("estimate", choice, choice.context, engine.name, engine.options),
    compare: command("compare", choice, choice.context, all, data.options),
    sweep: command("sweep", choice, contexts.join(","), engine.name, engine.options),
    fit: command("fit", choice, choice.context, engine.name, engine.settings),
  };
  for (const [name, text] of Object.entries(commands)) found(`${name}-command`).replaceChildren(...broken(text));
  return sentence;
}

/** What the address says behind #: the settings that differ from those that the page starts with. */
function toAddress() {
  const said = new URLSearchParams();
  for (const field of [...CHOICES, ...AMOUNTS]) {
    const value = found(field).value.trim();
    if (value !== String(DEFAULTS[field])) said.set(field, value);
  }
  history.replaceState(null, "", `#${said}`);
}

/** Take the settings from the address; what it does not say, or says wrong, is as at the start. */
function fromAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const field of [...CHOICES, ...AMOUNTS]) {
    const input = found(field);
    input.value = said.get(field) ?? DEFAULTS[field];
    if (input instanceof HTMLSelectElement && input.selectedIndex < 0) input.value = DEFAULTS[field];
  }
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
    const at = axisOfContexts.amount(((event.clientX - box.left) / box.width) * found("chart").viewBox.baseVal.width);
    setContext(Math.min(highest, Math.max(1, at)));
  };
  found("chart").addEventListener("pointerdown", point);
  found("chart").addEventListener("pointermove", point);
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", () => copy(button, found(button.dataset.of)));
  }
  found("made").replaceChildren(`Made by kvcalc ${data.version}: `, html("code", {}, data.command));
  fromAddress();
  show();
  addEventListener("hashchange", () => { fromAddress(); show(); });
  new ResizeObserver(([{ contentRect: { width } }]) => {
    if (width === 0 || Math.round(width) === chartWidth) return;
    chartWidth = Math.max(280, Math.round(width));
    show();
  }).observe(found("chart"));
}

start();
