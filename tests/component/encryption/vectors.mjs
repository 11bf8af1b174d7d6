// Checks docs/encryption-vectors.json with Node's own crypto, from the words of the file alone. Prints what it checked as JSON.
import { createDecipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const octets = (text) => Buffer.from(text, "base64url");
const key = octets(vectors.key);
const derived = (purpose) => Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), purpose, 32));
const netstrings = (parts) =>
  Buffer.concat(parts.flatMap((part) => [Buffer.from(`${Buffer.byteLength(part)}:`), Buffer.from(part), Buffer.from(",")]));
const kid = createHash("sha256").update(key).digest().subarray(0, 8).toString("base64url");

function open({ purpose, context, envelope }) {
  if (envelope.v !== 1 || envelope.kid !== kid) throw new Error("of another version or key");
  const sealed = octets(envelope.ct);
  const cipher = createDecipheriv("aes-256-gcm", derived(purpose), octets(envelope.n), { authTagLength: 16 });
  cipher.setAAD(netstrings([purpose, ...context]));
  cipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]).toString("utf8");
}

assert.equal(kid, vectors.kid);
for (const [purpose, text] of Object.entries(vectors.derived)) assert.equal(derived(purpose).toString("base64url"), text);
for (const { parts, octets } of vectors.netstrings) assert.equal(netstrings(parts).toString("utf8"), octets);
for (const vector of vectors.envelopes) assert.equal(open(vector), vector.plain);
for (const vector of vectors.refused) assert.throws(() => open(vector), undefined, vector.why);
for (const { parts, proof } of vectors.proofs)
  assert.equal(createHmac("sha256", derived("answer/1")).update(netstrings(["answer/1", ...parts])).digest("base64url"), proof);
console.log(JSON.stringify({ envelopes: vectors.envelopes.length, refused: vectors.refused.length, proofs: vectors.proofs.length }));
