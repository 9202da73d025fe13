// What all charts share. Colours of text, axes and grid are in the style sheet, so
// that dark, light and print need no second drawing.

// Okabe and Ito, "Color Universal Design" (2008), moved to a lightness that has three
// times the contrast of white and of the dark ground; the mark's form says the same.
const COLORS = [
  "#0072b2", "#d55e00", "#009e73", "#b8669a", "#3c93c9",
  "#b57d00", "#7d7d7d", "#96702a", "#6a5acd", "#c0392b",
];
const SYMBOLS = [
  "circle", "square", "diamond", "triangle-up", "triangle-down",
  "cross", "x", "pentagon", "star", "hexagon",
];
const CACHE_COLORS = { cold: "#0072b2", warm: "#d55e00" };
const CACHE_PATTERNS = { cold: "", warm: "/" };
const PRINTED_WIDTH = 660; // pixels: an A4 page between its margins
const ROW_HEIGHT = 26;
const NARROW_WIDTH = 900; // below it a legend stands under its chart
const LEGEND_HEIGHT = 180;
const MARGIN = { l: 70, r: 20, t: 30, b: 55 };
const FONT = { family: "system-ui, sans-serif", size: 12 };

/** A chart reads a small language of tags and entities in texts: write them out. */
const plain = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const shortened = (text, length) =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text;

/** Several lines of text that is no markup. */
const lines = (...texts) => texts.filter(Boolean).map(plain).join("<br>");

/**
 * Draw now, or when the chart comes near the window: a page is long, and each chart
 * takes a tenth of a second. Every later drawing of a chart is at once.
 */
function draw(chart, label, traces, layout) {
  chart.setAttribute("aria-label", label);
  pictures.set(chart, { traces, layout: { margin: MARGIN, ...layout } });
  chart.style.height = `${fitted(layout, chart.clientWidth).height}px`;
  if (drawn.has(chart)) return paint(chart);
  near.observe(chart);
}

const drawn = new Set();
const pictures = new Map(); // what was last asked for, drawn or not
const near = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => drawNow(target)),
  { rootMargin: "400px" },
);

function drawNow(chart) {
  near.unobserve(chart);
  drawn.add(chart);
  if (pictures.has(chart)) paint(chart);
}

function forget(chart) {
  near.unobserve(chart);
  pictures.delete(chart);
  drawn.delete(chart);
  Plotly.purge(chart);
}

/** The layout with its legend where the width has room for it. */
function fitted(layout, width) {
  if (width >= NARROW_WIDTH || layout.legend?.orientation === "h") return layout;
  return {
    ...layout,
    height: layout.height + LEGEND_HEIGHT,
    margin: { ...layout.margin, b: 55 + LEGEND_HEIGHT },
    legend: { ...layout.legend, orientation: "h", x: 0, y: -0.14, yanchor: "top" },
  };
}

function paint(chart, paper = {}) {
  const { traces, layout } = pictures.get(chart);
  return Plotly.react(
    chart,
    traces,
    {
      autosize: true,
      ...paper,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: FONT,
      hovermode: "closest",
      hoverlabel: {
        bgcolor: "#1d1f22", bordercolor: "#8a9099", align: "left",
        font: { ...FONT, color: "#ffffff" },
      },
      ...fitted(layout, paper.width ?? chart.clientWidth),
    },
    {
      responsive: true,
      displaylogo: false,
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
      toImageButtonOptions: { filename: "dsprof", scale: 2 },
    },
  );
}

const logAxis = (title, ticks = COUNT_TICKS) => ({
  title: { text: title },
  type: "log",
  ...ticks,
});

// The library writes 10^15 beyond 100T.
const RATE_TICKS = {
  tickmode: "array",
  tickvals: Array.from({ length: 16 }, (_, power) => 10 ** (power + 3)),
  ticktext: ["k", "M", "G", "T", "P"].flatMap((unit) => ["1", "10", "100"].map((one) => one + unit)).concat("1E"),
};
const COUNT_TICKS = { exponentformat: "SI" };

/** Horizontal bars, the first row on top; each group is one bar a row. */
function drawBars(chart, label, rows, groups, title) {
  const names = rows.map((_, place) => place);
  const height = 90 + ROW_HEIGHT * Math.max(rows.length, 3);
  const narrow = chart.clientWidth < 700;
  return draw(
    chart,
    label,
    groups.map((group) => ({
      type: "bar",
      orientation: "h",
      y: names,
      x: group.values,
      base: group.starts,
      name: plain(group.name),
      marker: {
        color: group.color,
        pattern: { shape: group.pattern ?? "", fillmode: "overlay", solidity: 0.4 },
      },
      hovertext: group.texts,
      hoverinfo: "text",
    })),
    {
      barmode: "group",
      bargap: 0.25,
      height,
      margin: { l: narrow ? 150 : 330, r: 20, t: 40, b: 50 },
      showlegend: groups.length > 1,
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", traceorder: "normal" },
      xaxis: { title: { text: title }, rangemode: "tozero", zeroline: true },
      yaxis: {
        autorange: "reversed",
        tickmode: "array",
        tickvals: names,
        ticktext: rows.map((row) => plain(shortened(row, narrow ? 20 : 48))),
        showgrid: false,
      },
    },
  );
}

/** Charts have the width of the window; paper is narrower. */
function fitToPaper() {
  for (const chart of pictures.keys()) {
    drawNow(chart);
    chart.style.height = "auto";
    paint(chart, { autosize: false, width: PRINTED_WIDTH });
  }
}

function fitToWindow() {
  for (const [chart, { layout }] of pictures) {
    chart.style.height = `${fitted(layout, chart.clientWidth).height}px`;
    paint(chart, { width: undefined });
  }
}
