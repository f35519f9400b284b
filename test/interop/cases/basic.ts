/** Handshakes with trusted and untrusted certificates, and bulk transfers. */
import * as Effect from "effect/Effect"
import { InteropFailure } from "../Peer.ts"
import { type Case, exchange, type Note } from "./exchange.ts"

const rate = (bytes: number, millis: number | undefined): Note =>
  millis === undefined ? "ok" : `${(bytes / 1000 / millis).toFixed(0)} MB/s`

const small = (name: string, title: string, mutual: boolean): Case => ({
  name,
  title,
  run: (pairing) => {
    const { small } = pairing.material.payloads
    return Effect.as(exchange(pairing, { up: small, down: small, mutual }), "ok")
  }
})

/** How implementations report it: in words, as TLS alert 48 (unknown_ca, QUIC error 304), or with a plain close. */
const signsOfRefusal = /certificate|handshake refused|crypto|error 304|closed by the peer|no answer/i

/** One side presents an untrusted identity: the connection must fail. */
const refused = (name: string, title: string, who: "serverTakenFor" | "clientTakenFor"): Case => ({
  name,
  title,
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const mutual = who === "clientTakenFor"
    const refusal = yield* exchange(pairing, { up: small, down: small, mutual, [who]: "stranger" }).pipe(
      Effect.flatMap(() => new InteropFailure({ reason: "an untrusted identity was accepted" })),
      Effect.flip
    )
    return signsOfRefusal.test(refusal.reason) ? "ok" : yield* refusal
  })
})

const bulk = (name: string, title: string, up: "small" | "up", down: "small" | "down"): Case => ({
  name,
  title,
  run: (pairing) => {
    const { payloads } = pairing.material
    const bytes =
      (up === "up" ? payloads.up.bytes.length : 0) + (down === "down" ? payloads.down.bytes.length : 0)
    return Effect.map(exchange(pairing, { up: payloads[up], down: payloads[down] }), ({ millis }) =>
      rate(bytes, millis)
    )
  }
})

export const basicCases: ReadonlyArray<Case> = [
  small("handshake", "handshake", false),
  refused("stranger", "wrong server", "serverTakenFor"),
  small("mutual", "client verified", true),
  refused("intruder", "wrong client", "clientTakenFor"),
  bulk("upload", "10 MB up", "up", "small"),
  bulk("download", "10 MB down", "small", "down"),
  bulk("both", "both at once", "up", "down")
]
