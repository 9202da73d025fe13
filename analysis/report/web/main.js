// Begins: the colours, the parts that the page has, and the pages of kernels.

function startTheme() {
  const select = byId("theme");
  select.addEventListener("change", () => {
    document.documentElement.style.colorScheme = select.value;
  });
}

/** The name in an address; as it stands there if somebody mistyped it. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** Show the report, or the page of the kernel that the address names. */
function route() {
  const [, name] = location.hash.match(/^#kernel\/(.+)$/) ?? [];
  const page = byId("kernel-page");
  const wasKernel = !page.hidden;
  // The documents follow this script: only the style sheet can hide them already.
  document.documentElement.classList.toggle("one-kernel", name !== undefined);
  page.hidden = name === undefined;
  if (name !== undefined) {
    showKernel(page, decoded(name));
    page.focus();
    scrollTo(0, 0);
  } else if (wasKernel) {
    // The section was hidden when the browser looked for it.
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }
}

const PARTS = {
  "roof-chart": startRoofline,
  "kernel-table": startKernels,
  "program-ranges": startPrograms,
  "layer-chart": startLayer,
  "whatif-chart": startWhatif,
};

startTheme();
for (const [id, start] of Object.entries(PARTS)) {
  if (byId(id)) start();
}
route();
addEventListener("hashchange", route);
addEventListener("beforeprint", fitToPaper);
addEventListener("afterprint", fitToWindow);
document.documentElement.dataset.interactiveMs = Math.round(performance.now());
