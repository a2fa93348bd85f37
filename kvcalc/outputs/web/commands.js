// The commands of kvcalc that give the same figures.

/** A command of kvcalc about a choice; `context` may be several, `engine` too. */
function command(name, choice, context, engine, options) {
    const { asked } = data.models[choice.model];
    const dtype = data.dtypes[choice.dtype];
    const ranks = data.ranks[choice.gpus];
    const shared = ranks === 1 ? "" : `--tp ${ranks}`;
    return [
        `kvcalc ${name} ${asked} -e ${engine} -c ${context}`,
        choice.sequences === 1n && name !== "fit" ? "" : `-n ${choice.sequences}`,
        choice.window === null ? "" : `-w ${choice.window}`,
        dtype ? `-d ${dtype}` : "",
        name === "fit" ? `--gpu ${data.gpu} --gpus ${ranks}` : shared,
        options,
    ]
        .filter(Boolean)
        .join(" ");
}

/** Show the commands of a choice; `contexts` are those of the table by context. */
function showCommands(choice, contexts) {
    const engine = data.engines[choice.engine];
    const all = data.engines.map(({ name }) => name).join(",");
    const commands = {
        estimate: command("estimate", choice, choice.context, engine.name, engine.options),
        compare: command("compare", choice, choice.context, all, data.options),
        sweep: command("sweep", choice, contexts.join(","), engine.name, engine.options),
        fit: command("fit", choice, choice.context, engine.name, engine.settings),
    };
    for (const [name, text] of Object.entries(commands)) {
        found(`${name}-command`).replaceChildren(...broken(text));
    }
}
