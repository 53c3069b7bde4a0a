// Asks the gateway, with the key of this tab where there is one.
export const KEY = "winnow-key";
export class Refusal extends Error {} // asking again would not help
export class Locked extends Refusal {} // a key is wanted, or another one

export async function ask(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.ok) return answer;
  const { detail, hint } = await answer.json().catch(() => ({}));
  const current = key === sessionStorage.getItem(KEY);
  if (answer.status === 401 && current) throw new Locked(key ? detail : "");
  const said = [detail ?? answer.statusText, hint].filter(Boolean).join(" – ");
  throw new (answer.status < 500 ? Refusal : Error)(said);
}

// Server-sent events; EventSource can send no key.
export async function* events(id, signal) {
  const answer = await ask(`v1/batches/${id}/events`, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let held = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (held + value).split(/\r?\n\r?\n/);
    held = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).map((line) => line.split(/: ?(.*)/, 2));
      const { event, data } = Object.fromEntries(lines);
      if (data) yield { last: event === "end", batch: JSON.parse(data) };
    }
  }
}

// The latest samples or rejects, up to `most`; those in `held`, by `seq`, are not asked for again.
// How far back they reach is guessed from their share, and looked for further if need be.
export async function latest(kind, held, most, { id, request_counts: counts }, signal) {
  const { accepted, rejected, failed } = counts;
  const all = accepted + rejected + failed;
  const reach = Math.ceil((most * all) / (kind === "samples" ? accepted : rejected + failed));
  const known = held.at(-1)?.seq ?? -1;
  for (let back = reach; back <= 64 * reach && isFinite(reach); back *= 4) {
    const after = Math.max(known, all - 1 - back);
    const answer = await ask(`v1/batches/${id}/${kind}?after=${after}`, { signal });
    const lines = (await answer.text()).split("\n").filter(Boolean);
    const rows = lines.map((line) => JSON.parse(line));
    if (rows.length || after === known) return [...held, ...rows].slice(-most);
  }
  return held;
}
