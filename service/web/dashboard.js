// The dashboard: batches, and one of them as it runs. What the gateway says enters the page as text
// nodes and attributes, never as markup, which the Content-Security-Policy would refuse, too.
import { KEY, Locked, Refusal, ask, events, latest } from "./gateway.js";

const [BATCHES, SHOWN, KEPT] = [100, 12, 100]; // listed; texts of a kind; those looked through
const [POLL, PAUSE, RETRY] = [4000, 1500, 2000]; // milliseconds
const $ = (id) => document.getElementById(id);
const sleep = (time) => new Promise((wake) => setTimeout(wake, time));
const number = (value, options) => new Intl.NumberFormat("en", options).format(value);
const percent = (value) => number(value, { style: "percent", maximumFractionDigits: 1 });
const words = (name) => (name ?? "").replaceAll("_", " ");
const falling = (counts) => Object.entries(counts).sort(([, one], [, other]) => other - one);
const when = (seconds) => new Date(seconds * 1000).toLocaleString();
let listed = ""; // as they are shown
let passing = false; // the trouble that is shown
let leave = new AbortController(); // ends what follows the chosen batch

function h(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function say(id, said) {
  $(id).hidden = !said;
  if ($(id).textContent !== said) $(id).textContent = said; // announced once
}

function fail(error) {
  if (error instanceof Locked) return lock(error.message);
  passing = !(error instanceof Refusal);
  const lost = error instanceof TypeError; // by fetch
  say("trouble", lost ? "The gateway can't be reached; trying again." : error.message);
}

function lock(said) {
  leave.abort();
  sessionStorage.removeItem(KEY);
  $("board").hidden = $("forget").hidden = true;
  $("door").hidden = false;
  say("trouble", said);
  $("key").focus();
}

async function unlock() {
  const key = sessionStorage.getItem(KEY);
  $("door").hidden = true;
  $("forget").hidden = !key;
  say("trouble", "");
  $("curl").textContent = `curl ${new URL("v1/batches", document.baseURI)} \\
  -H 'content-type: application/json' ${key ? "-H 'authorization: Bearer YOUR-KEY' " : ""}\\
  -d '{"recipe": "essay", "count": 5, "sources": ["Name: Aldra\\nKind: river"]}'`;
  await list();
  if ($("door").hidden) choose();
}

// Its figures stand beside it: a screen reader passes it over.
function bar(parts) {
  const line = h("div", { class: "bar", "aria-hidden": true });
  for (const [name, amount] of Object.entries(parts)) {
    line.append(h("i", { class: name }));
    line.lastChild.style.flexGrow = amount;
  }
  return line;
}

// Left of the gap what was asked for, right of it what was thrown away.
function progress({ count, request_counts: { accepted, rejected, failed } }) {
  const said = { accepted: `${number(accepted)} of ${number(count)}`,
    rejected: number(rejected), failed: number(failed) };
  return [bar({ accepted, open: count - accepted, gap: 0, rejected, failed }),
    ...Object.entries(said).map(
      ([name, amount]) => h("span", { class: `count ${name}` }, `${amount} ${name}`))];
}

function price({ per_accepted: { money }, currency }) {
  if (money === null) return "";
  const two = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return `${number(money, money < 1 ? { maximumSignificantDigits: 2 } : two)} ${currency ?? ""}`;
}

function row(batch) {
  const { id, pass_rate: rate, cost } = batch;
  const small = [rate !== null && `${percent(rate)} pass rate`,
    price(cost) && `${price(cost)} per accepted`, when(batch.created_at), batch.tenant];
  const current = location.hash === `#${id}`;
  return h("li", {}, h("a", { href: `#${id}`, "aria-current": current },
    h("span", { class: "head" }, h("span", {}, h("b", {}, batch.recipe), ` by ${batch.model}`),
      h("span", { class: `status ${batch.status}` }, words(batch.status))),
    ...progress(batch), h("span", { class: "small" }, small.filter(Boolean).join(" · "))));
}

async function list() {
  try {
    const { data, has_more: more } = await (await ask(`v1/batches?limit=${BATCHES}`)).json();
    if (passing) say("trouble", "");
    $("board").hidden = !$("door").hidden;
    $("none").hidden = data.length > 0;
    say("more", more ? `The newest ${BATCHES} are shown.` : "");
    if (listed === (listed = JSON.stringify(data) + location.hash)) return;
    const focused = document.activeElement.getAttribute("href");
    $("batches").replaceChildren(...data.map(row));
    $("batches").querySelector(`a[href="${focused}"]`)?.focus();
  } catch (error) {
    fail(error);
  }
}

function choose() {
  leave.abort();
  leave = new AbortController();
  const id = location.hash.slice(1);
  $("board").classList.toggle("chosen", id !== "");
  $("batch").hidden = true;
  for (const texts of ["rejects", "samples", "reasons"]) $(texts).replaceChildren();
  if (id) follow(id, leave.signal);
}

// Until the batch ends; a stream that breaks off is asked for again.
async function follow(id, signal) {
  const seen = {};
  while (!signal.aborted) {
    try {
      for await (const { last, batch } of events(id, signal)) {
        show(batch);
        const first = !seen.batch;
        Object.assign(seen, { batch, last });
        if (first) showTexts(seen, signal);
        if (last) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      fail(error);
      if (error instanceof Refusal) return;
    }
    await sleep(RETRY);
  }
}

function show(batch) {
  const { status, cost, certificate, request_counts: { rejected, failed } } = batch;
  if ($("batch").hidden) setTimeout(() => $("title").focus());
  $("batch").hidden = false;
  $("title").textContent = `${batch.recipe} by ${batch.model}`;
  $("status").className = `status ${status}`;
  say("status", words(status));
  say("message", [words(batch.stop_reason), batch.message].filter(Boolean).join(": "));
  $("cancel").hidden = !["validating", "in_progress"].includes(status);
  $("progress").replaceChildren(...progress(batch));
  const facts = [
    ["Pass rate", batch.pass_rate !== null && percent(batch.pass_rate)],
    ["Cost per accepted", price(cost)], ["Tokens written", number(cost.completion_tokens)],
    ["Tokens in rejected texts", number(cost.rejected_tokens)],
    ["Time taken", `${number(cost.elapsed_seconds, { maximumFractionDigits: 1 })} s`],
    ["Asked for", when(batch.created_at)], ["Sources", number(batch.sources)], ["Id", batch.id],
    ["Tenant", batch.tenant], ...Object.entries(batch.metadata),
  ].filter(([, value]) => value);
  $("facts").replaceChildren(
    ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  $("certificate").hidden = !certificate;
  if (certificate) certify(certificate);
  $("why").hidden = !(rejected + failed);
  $("graders").replaceChildren(...falling(batch.rejected_by).map(([name, times]) => h("li", {},
    name, bar({ rejected: times, open: rejected - times }), number(times))));
}

function certify({ confidence, bound, grader, threshold, sources, calibration_set, assumption }) {
  const wrong = `at most ${percent(bound)} of what passes is wrong`;
  say("claim", `Certificate: at ${percent(confidence)} confidence ${wrong}`);
  const basis = `calibrated on ${number(sources)} sources of ${calibration_set}`;
  say("basis", `${grader} ≥ ${threshold.toPrecision(4)}; ${basis}. ${assumption}`);
}

// Brings in the texts of a batch as it grows, no oftener than every PAUSE.
async function showTexts(seen, signal) {
  const held = { rejects: [], samples: [] };
  for (let shown; !(seen.last && seen.batch === shown); await sleep(PAUSE)) {
    const { batch } = seen;
    if (signal.aborted) return;
    if (batch === shown) continue;
    try {
      for (const kind of ["rejects", "samples"]) {
        held[kind] = await latest(kind, held[kind], KEPT, batch, signal);
        if (signal.aborted) return;
        const newest = Number($(kind).firstChild?.dataset.seq ?? -1);
        const lines = held[kind].slice(-SHOWN).filter(({ seq }) => seq > newest);
        $(kind).prepend(...lines.reverse().map(card));
        while ($(kind).children.length > SHOWN) $(kind).lastChild.remove();
      }
      count(held.rejects);
      shown = batch;
    } catch (error) {
      if (!signal.aborted) fail(error);
    }
  }
}

// How often each reason was given, whatever the figures and words in it.
function count(rejects) {
  const found = {};
  for (const { error, reasons } of rejects)
    for (const { grader, reason } of error ? [{ grader: "failed", reason: error }] : reasons) {
      const kind = reason.replace(/(?<!\w)'[^']*'(?!\w)/g, "‘…’").replace(/\d[\d.,]*/g, "#");
      found[`${grader}: ${kind}`] = (found[`${grader}: ${kind}`] ?? 0) + 1;
    }
  const commonest = falling(found).slice(0, 8);
  $("why").querySelector("p").textContent = `The latest ${rejects.length}, by reason:`;
  $("reasons").replaceChildren(
    ...commonest.map(([said, times]) => h("li", {}, `${times} × ${said}`)));
}

// A text with the words that count against it marked, and below it who says so.
function card({ seq, source_id: source, text, grades, reasons = [], error }) {
  const against = grades.filter(({ passed }) => passed === false).flatMap(({ grader, evidence }) =>
    evidence.filter(({ supports }) => !supports).map((item) => ({ grader, ...item })));
  const silent = reasons.filter((one) => !against.some(({ grader }) => grader === one.grader));
  const why = error ? [{ grader: "failed", reason: error }] : [...against, ...silent];
  const scores = grades.map(({ grader, score }) => `${grader} ${score?.toFixed(2) ?? "–"}`);
  return h("li", { "data-seq": seq },
    h("span", { class: "small" }, [`#${seq} · source ${source}`, ...scores].join(" · ")),
    h("p", { class: "text" }, ...marked(text ?? "(no text)", against)),
    h("ul", { class: "reasons" }, ...why.map(({ grader, reason, quote, against: other }) =>
      h("li", {}, h("b", {}, grader), `: ${reason}`, quote ? ` — “${quote}”` : "",
        h("span", { class: "small" }, other ? `held against: ${other}` : "")))));
}

// Offsets count Unicode characters, of which a JavaScript string may need two units.
function marked(text, evidence) {
  const letters = [...text], parts = [];
  let at = 0;
  for (const { start, end } of evidence.toSorted((one, other) => one.start - other.start)) {
    if (start === null || end <= at) continue;
    parts.push(letters.slice(at, Math.max(at, start)).join(""));
    parts.push(h("mark", {}, letters.slice(Math.max(at, start), end).join("")));
    at = end;
  }
  return [...parts, letters.slice(at).join("")];
}

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = $("key").value.trim();
  $("key").value = "";
  if (!/^[ -~]+$/.test(key)) return say("trouble", "That holds characters that no key has.");
  sessionStorage.setItem(KEY, key);
  unlock();
});
$("forget").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  location.replace(location.pathname); // what it has shown is gone, too
});
$("cancel").addEventListener("click", () => {
  if (confirm("Cancel this batch? What was accepted stays."))
    ask(`v1/batches/${location.hash.slice(1)}/cancel`, { method: "POST" }).catch(fail);
});
addEventListener("hashchange", () => $("door").hidden && (choose(), list()));
setInterval(() => document.hidden || !$("door").hidden || list(), POLL);
unlock();
