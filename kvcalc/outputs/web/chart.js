// Bytes against context, a curve an engine, as SVG. Figures are rounded here, for the eye alone.

const HEIGHT = 340;
const MARGIN = { top: 14, bottom: 34, left: 64 };
const LABEL = 14; // the height of a curve's label
const STEPS = 128; // points of a curve

/** Where amounts stand on an axis: logarithmic or linear, from `low` to `high`, within `room`. */
function axis(low, high, from, to, isLog) {
    const scaled = isLog ? Math.log2 : (amount) => amount;
    const [least, most] = [scaled(low), scaled(high)];
    const place = (amount) => from + ((scaled(amount) - least) / (most - least || 1)) * (to - from);
    const amount = (at) => {
        const share = least + ((at - from) / (to - from || 1)) * (most - least);
        return isLog ? 2 ** share : share;
    };
    return { place, amount };
}

/** Round amounts of an axis: powers of two, at most `count` of them, or even steps of one. */
function ticks(low, high, isLog, count) {
    const marks = [];
    if (isLog) {
        const [first, last] = [Math.ceil(Math.log2(low)), Math.floor(Math.log2(high))];
        const step = Math.max(1, Math.ceil((last - first + 1) / count));
        for (let power = first; power <= last; power += step) marks.push(2 ** power);
        return marks;
    }
    let step = 2 ** Math.ceil(Math.log2(Math.max(1, high / count)));
    if (step >= 4 && (high * 4) / (step * 3) <= count) step *= 0.75;
    for (let mark = 0; mark <= high; mark += step) marks.push(mark);
    return marks;
}

/** The contexts at which the curves are worked out. */
function sampled(high, isLog) {
    const contexts = new Set();
    const low = isLog ? Math.min(1024, high / 2) : 1;
    for (let step = 0; step <= STEPS; step += 1) {
        const share = step / STEPS;
        const at = isLog ? low * (high / low) ** share : low + (high - low) * share;
        contexts.add(Math.max(1, Math.round(at)));
    }
    return [...contexts].map(BigInt);
}

/** The labels of curves' ends, moved apart so that none covers another. */
function spread(labels, top, bottom) {
    labels.sort((a, b) => a.y - b.y);
    let least = top;
    for (const label of labels) {
        label.y = Math.max(label.y, least);
        least = label.y + LABEL;
    }
    let most = bottom;
    for (const label of [...labels].reverse()) {
        label.y = Math.min(label.y, most);
        most = label.y - LABEL;
    }
    return labels;
}

/** Draw curves of {name, hue, chosen, points: [[context, bytes]]}; give the axis of contexts. */
function drawChart(svg, curves, context, high, isLog, width) {
    const named = width >= 520;
    const right = width - (named ? 106 : 20);
    const bottom = HEIGHT - MARGIN.bottom;
    const amounts = curves.flatMap(({ points }) => points.map(([, bytes]) => bytes));
    const most = Math.max(1024, ...amounts);
    const floor = isLog ? Math.max(1, Math.min(most / 2, ...amounts.filter((one) => one > 0))) : 0;
    const low = isLog ? Math.min(1024, high / 2) : 1;
    const x = axis(low, high, MARGIN.left, right, isLog);
    const y = axis(floor, most, bottom, MARGIN.top, isLog);
    const parts = [];
    for (const mark of ticks(floor || 1, most, isLog, 8)) {
        const at = y.place(mark);
        parts.push(drawn("line", { class: "grid", x1: MARGIN.left, x2: right, y1: at, y2: at }));
        const text = mark === 0 ? "0" : binarySize(BigInt(Math.round(mark))).replace(/\.00/, "");
        parts.push(drawn("text", { class: "tick end", x: MARGIN.left - 8, y: at + 4 }, text));
    }
    for (const mark of ticks(low, high, isLog, width < 520 ? 5 : 9)) {
        if (mark < low) continue;
        const at = x.place(mark);
        parts.push(drawn("line", { class: "grid", x1: at, x2: at, y1: MARGIN.top, y2: bottom }));
        parts.push(
            drawn("text", { class: "tick", x: at, y: bottom + 20 }, shortCount(BigInt(mark))),
        );
    }
    const here = x.place(Math.min(high, Math.max(low, context)));
    parts.push(drawn("line", { class: "here", x1: here, x2: here, y1: MARGIN.top, y2: bottom }));
    const ends = [];
    for (const { name, hue, chosen, points } of [...curves].sort((a, b) => a.chosen - b.chosen)) {
        const shown = points.filter(([, bytes]) => bytes > 0 || !isLog);
        if (shown.length === 0) continue;
        const places = shown.map(
            ([at, bytes]) => `${x.place(at).toFixed(1)},${y.place(bytes).toFixed(1)}`,
        );
        const kind = `curve hue${hue}${chosen ? " chosen" : ""}`;
        parts.push(drawn("polyline", { class: kind, points: places.join(" ") }));
        const [, last] = shown[shown.length - 1];
        ends.push({ name, hue, chosen, y: y.place(last), end: y.place(last) });
    }
    if (named) {
        for (const { name, hue, chosen, y: at, end } of spread(ends, MARGIN.top, bottom)) {
            const kind = `leader hue${hue}`;
            parts.push(
                drawn("line", { class: kind, x1: right + 1, x2: right + 10, y1: end, y2: at }),
            );
            const label = {
                class: `label hue${hue}${chosen ? " chosen" : ""}`,
                x: right + 14,
                y: at + 4,
            };
            parts.push(drawn("text", label, name));
        }
    }
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    patch(svg, [svg.firstElementChild.cloneNode(true), ...parts]);
    return x;
}
