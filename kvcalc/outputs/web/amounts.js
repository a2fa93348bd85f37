// Amounts as kvcalc reads and writes them (kvcalc/units.py).

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const SUFFIXES = { "": 1n, K: 1n << 10n, M: 1n << 20n, G: 1n << 30n };
const COUNT = /^([0-9]{1,3}(?:,[0-9]{3}){1,12}|[0-9]{1,3}(?:_[0-9]{3}){1,12}|[0-9]{1,40})([KMG]?)$/;
const A_COUNT = "expected a whole number such as 8192 or 256K (K, M, G: powers of 1024)";

/** A text of a count as a BigInt; an Error says what is wrong with it. */
function parsedCount(text) {
    const match = COUNT.exec(text.trim().replace(/[kmg]$/, (suffix) => suffix.toUpperCase()));
    if (match === null) throw new Error(A_COUNT);
    const count = BigInt(match[1].replace(/[,_]/g, "")) * SUFFIXES[match[2]];
    if (count < 1n) throw new Error("expected at least 1");
    return count;
}

/** A whole number with commas: 262,144. */
const grouped = (number) => String(number).replace(/\B(?=(?:[0-9]{3})+$)/g, ",");

/** A byte count in its largest binary unit, to two decimals, rounded half up: "12.02 GiB". */
function binarySize(bytes) {
    const bits = bytes.toString(2).length - 1;
    let step = Math.min(Math.floor(bits / 10), UNITS.length - 1);
    if (step === 0) return `${bytes} bytes`;
    const hundredths = (at) => (bytes * 100n + (1n << BigInt(10 * at - 1))) >> BigInt(10 * at);
    if (step < UNITS.length - 1 && hundredths(step) >= 102400n) step += 1;
    const found = hundredths(step);
    return `${grouped(found / 100n)}.${String(found % 100n).padStart(2, "0")} ${UNITS[step]}`;
}

/** A fraction to some decimals, rounded half up. */
function decimal(part, whole, places) {
    if (part < 0n) return `\u2212${decimal(-part, whole, places)}`;
    const scale = 10n ** BigInt(places);
    const found = (part * scale * 2n + whole) / (whole * 2n);
    return `${grouped(found / scale)}.${String(found % scale).padStart(places, "0")}`;
}

/** A count of tokens as it is written short, where it is whole: 256K. */
function shortCount(tokens) {
    for (const suffix of ["G", "M", "K"]) {
        if (tokens % SUFFIXES[suffix] === 0n) return `${tokens / SUFFIXES[suffix]}${suffix}`;
    }
    return String(tokens);
}

const plural = (number, noun) => `${grouped(number)} ${noun}${BigInt(number) === 1n ? "" : "s"}`;
