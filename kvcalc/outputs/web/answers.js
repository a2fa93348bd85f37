// What an engine needs: kvcalc's formulas, evaluated with BigInt, so exact to the byte.
//
// Tables of the page's data point into each other by places; -1 stands for none.

const data = JSON.parse(document.getElementById("data").textContent);

const MOST_WINDOW = 1n << 40n; // a layer's window in kvcalc (kvcalc/layers/layer.py)

/** A list whose runs were written as a place and how often it comes. */
function unpacked(runs) {
    const list = [];
    for (let at = 0; at < runs.length; at += 2) {
        for (let times = runs[at + 1]; times > 0; times -= 1) list.push(runs[at]);
    }
    return list;
}

const grids = data.grids.map((pair) => pair.map(unpacked));
const formulas = data.formulas.map(([place, limits, ...numbers]) => ({
    run: functions[place],
    shown: data.shown[place],
    limits: data.limits[limits],
    numbers: numbers.map(BigInt),
}));

/** Why there is no answer, in the words of kvcalc. */
class Refusal extends Error {}

/** Evaluate a formula for {context, sequences, window}; a Refusal where it is past a limit. */
function evaluated(place, amounts) {
    const { run, limits, numbers } = formulas[place];
    for (const [value, most, field, expected, told] of limits) {
        if (evaluated(value, amounts) > BigInt(most)) {
            const value = evaluated(told, amounts);
            const words = expected.replace(/\{(:,)?\}/, (_, commas) =>
                commas ? grouped(value) : value,
            );
            throw new Refusal(`${field}: found ${grouped(amounts[field])}, expected ${words}`);
        }
    }
    return run(amounts.context, amounts.sequences, amounts.window, numbers);
}

/** What the plan has for an engine, element type and number of GPUs (places), at a window. */
function planned({ model, engine, dtype, gpus, window }) {
    const { windows, noWindow } = data.models[model];
    const given = noWindow ? null : window;
    const [own, oneWindow] = grids[model];
    const grid = windows.length > 1 && given !== null ? oneWindow : own;
    const found =
        data.answers[grid[(engine * data.dtypes.length + dtype) * data.ranks.length + gpus]];
    if (found.length === 1) {
        const asked = { "{dtype}": data.dtypes[dtype], "{gpus}": data.ranks[gpus] };
        throw new Refusal(
            data.texts[found[0]].replace(/\{dtype\}|\{gpus\}/g, (name) => asked[name]),
        );
    }
    const [total, perGpu, peak, full, type, why, least, refused, groups] = found;
    const first = BigInt(windows[0] ?? 0);
    if (given !== null && (least === 0 ? given !== first : given < BigInt(least))) {
        throw new Refusal(data.texts[refused]);
    }
    const isOwn = given === null || (windows.length === 1 && given === first);
    return { total, perGpu, peak, full, groups, isOwn, window: given ?? first, type, why };
}

/** The whole answer for a choice with its amounts: bytes as BigInt, or {error}. */
function answered(choice) {
    try {
        const plan = planned(choice);
        const amounts = { ...choice, window: plan.window };
        const at = (place) => (place < 0 ? null : evaluated(place, amounts));
        return {
            bytes: at(plan.total),
            perGpu: at(plan.perGpu),
            peak: at(plan.peak),
            full: at(plan.full),
            type: data.texts[plan.type],
            why: plan.why >= 0 && plan.isOwn ? data.texts[plan.why] : "",
            formula: written(plan.total),
            groups: () =>
                plan.groups.map(([kind, layers, window, place]) => ({
                    kind: data.texts[kind],
                    layers,
                    window: window < 0 ? plan.window : window ? BigInt(window) : null,
                    bytes: at(place),
                })),
        };
    } catch (error) {
        if (error instanceof Refusal) return { error: error.message };
        throw error;
    }
}

/** The bytes alone, null where there is no answer. */
function bytesOf(choice) {
    try {
        const { total, window } = planned(choice);
        return evaluated(total, { ...choice, window });
    } catch (error) {
        if (error instanceof Refusal) return null;
        throw error;
    }
}

/** What attention itself needs, in the element type asked for where `ideal` knows it. */
function least(choice) {
    const engine = data.engines.findIndex((one) => one.name === "ideal");
    const own = data.dtypes.indexOf("");
    return bytesOf({ ...choice, engine }) ?? bytesOf({ ...choice, engine, dtype: own });
}

/** A formula as text, with its numbers put in. */
function written(place) {
    const { shown, numbers } = formulas[place];
    return shown.replace(/\{([0-9]+)\}/g, (_, at) => numbers[at]);
}
