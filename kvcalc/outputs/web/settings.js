// The settings: fields, which the address repeats, and the choice that they make.

const DEFAULTS = {
    model: data.models[0].name,
    engine: data.engines[0].name,
    dtype: data.dtypes[0],
    gpus: String(data.ranks[0]),
    context: data.context ?? "",
    sequences: data.sequences,
    window: data.window ?? "",
    scale: "log",
};
const CHOICES = ["model", "engine", "dtype", "gpus", "scale"];
const AMOUNTS = ["context", "sequences", "window"];

const OPTIONS = {
    model: data.models.map(({ name }) => [name, name]),
    engine: data.engines.map(({ name, version }) => [
        name,
        name.includes("@") ? name : `${name} ${version}`.trim(),
    ]),
    dtype: data.dtypes.map((dtype) => [dtype, dtype || "the model's own"]),
    gpus: data.ranks.map((ranks) => [String(ranks), String(ranks)]),
};

/** The place of what a field has among its options. */
const placeOf = (field) => OPTIONS[field].findIndex(([value]) => value === found(field).value);

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
    const [model, engine, dtype, gpus] = Object.keys(OPTIONS).map(placeOf);
    const choice = { model, engine, dtype, gpus };
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

/** Say beside a field what its empty value means, or what is wrong with it. */
function showFields(error) {
    const { max, windows, noWindow } = data.models[placeOf("model")];
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

/** Put behind the address's # the settings that are not as at the start. */
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
        if (input instanceof HTMLSelectElement && input.selectedIndex < 0)
            input.value = DEFAULTS[field];
    }
}
