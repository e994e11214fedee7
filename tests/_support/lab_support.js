// What the browser tests do inside JupyterLab's page: `lab_support.py` calls these by name, and each
// call has one bound. A notebook is named by its path on the server.
window.epollkit = (() => {
  "use strict";
  const MUST_HAPPEN = 120_000; // ms, also beside a compiler on every processor
  const app = () => window.jupyterapp;
  const started = new Map(); // path: the end of the run under way
  let clicked = null; // when the interrupt button was, in this run

  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest('[data-command="notebook:interrupt-kernel"]')) clicked = performance.now();
    },
    { capture: true },
  );

  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

  function panel(path) {
    for (const widget of app().shell.widgets("main")) {
      if (widget.context?.path === path) return widget;
    }
    throw new Error(`${path} is not open`);
  }

  const codeCells = (path) => panel(path).content.widgets.filter((cell) => cell.model.type === "code");

  // --- a notebook's life

  async function ready() {
    await app().restored;
    await splashGone();
    app().shell.collapseLeft();
    app().shell.collapseRight();
  }

  // JupyterLab covers itself while it starts and while a theme loads.
  async function splashGone() {
    do await frame();
    while (document.getElementById("jupyterlab-splash"));
  }

  async function open(path) {
    await app().commands.execute("docmanager:open", { path, factory: "Notebook" });
    const opened = panel(path);
    await opened.context.ready;
    await opened.revealed;
    await opened.sessionContext.ready;
    if (!opened.sessionContext.session?.kernel) throw new Error(`${path} has no kernel`);
    await opened.sessionContext.session.kernel.info;
    await Promise.all(opened.content.widgets.map((cell) => cell.ready));
  }

  // No question whether to save: what ran here is not kept.
  async function close(path) {
    const opened = panel(path);
    await opened.sessionContext.shutdown();
    opened.dispose();
    started.delete(path);
  }

  async function setTheme(theme) {
    await app().commands.execute("apputils:change-theme", { theme });
    while (document.body.dataset.jpThemeName !== theme) await frame();
    await splashGone();
  }

  // --- running

  async function start(path) {
    clicked = null;
    app().shell.activateById(panel(path).id);
    while (app().shell.currentWidget !== panel(path)) await frame(); // the command's notebook
    const end = app().commands.execute("notebook:run-all-cells");
    started.set(path, end.then((finished) => ({ finished, at: performance.now() })));
  }

  // All code cells before this one have been run.
  async function reached(path, number) {
    const before = codeCells(path).slice(0, number);
    const ran = ({ model }) => model.executionState === "idle" && model.executionCount;
    while (!before.every(ran)) await frame();
  }

  // Whether all cells ran, and how long after the click on the interrupt button that was.
  async function ended(path) {
    const { finished, at } = await started.get(path);
    return { finished, milliseconds: clicked === null ? null : at - clicked };
  }

  // The sources of the cells that have not run.
  const skipped = (path) =>
    codeCells(path)
      .filter((cell) => !cell.model.executionCount)
      .map((cell) => cell.model.sharedModel.getSource())
      .filter((source) => source.trim());

  // The tracebacks, but those of cells that say they raise.
  const failures = (path) =>
    codeCells(path)
      .filter((cell) => !(cell.model.getMetadata("tags") ?? []).includes("raises-exception"))
      .flatMap((cell) => cell.model.outputs.toJSON())
      .filter((output) => output.output_type === "error")
      .map((output) => output.traceback.join("\n"));

  const outputs = (path) => codeCells(path).map((cell) => cell.model.outputs.toJSON());

  const trusted = (path) => codeCells(path).every((cell) => cell.model.trusted);

  // What the kernel says to a request of its own, without a cell.
  async function execute(path, code) {
    const future = panel(path).sessionContext.session.kernel.requestExecute({ code });
    let said = "";
    future.onIOPub = ({ content }) => {
      said += content.text ?? content.data?.["text/plain"] ?? "";
    };
    const reply = await future.done;
    return [reply.content.status, said];
  }

  // --- looking

  // Pixels that the window lacks to show the notebook from its first line to its last.
  function hidden(path) {
    const scroller = panel(path).content.node.querySelector(".jp-WindowedPanel-outer");
    return scroller.scrollHeight - scroller.clientHeight;
  }

  // --- calls

  function bounded(name, promise) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${name} did not end in ${MUST_HAPPEN / 1000} s`)), MUST_HAPPEN);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  const functions = {
    ready, open, close, setTheme, start, reached, ended, skipped, failures, outputs, trusted, execute, hidden,
  };
  return {
    functions, // picture_support.js adds its own
    frame,
    codeCells,
    call: (name, ...given) => bounded(name, (async () => functions[name](...given))()),
  };
})();
