/** What two implementations are asked to do together. A case is a function of the two; a new one is a new entry. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Material } from "./material.ts"
import {
  type Application,
  type Credential,
  type Implementation,
  InteropFailure,
  type Payload,
  type Received
} from "./Peer.ts"

export interface Pairing {
  readonly client: Implementation
  readonly server: Implementation
  readonly application: Application
  readonly credentials: Credential["kind"]
  readonly material: Material
}

/** What is printed in the table for a case that passed. */
export type Note = string

export interface Case {
  readonly name: string
  readonly title: string
  readonly run: (pairing: Pairing) => Effect.Effect<Note, InteropFailure, ChildProcessSpawner | Scope.Scope>
}

const check = (side: string, received: Received, sent: Payload): Effect.Effect<void, InteropFailure> => {
  if (received.bytes !== sent.bytes.length)
    return new InteropFailure({
      reason: `the ${side} got ${received.bytes} bytes of ${sent.bytes.length}`
    })
  if (received.sha256 !== undefined && received.sha256 !== sent.sha256)
    return new InteropFailure({
      reason: `the ${side} got ${received.bytes} bytes, but not those that were sent`
    })
  return Effect.void
}

interface Exchange {
  readonly up: Payload
  readonly down: Payload
  readonly mutual?: boolean
  /** For whom the client takes the server, and the server the client. */
  readonly serverTakenFor?: "server" | "stranger"
  readonly clientTakenFor?: "client" | "stranger"
}

/** One connection, `up` sent by the client and `down` by the server; how long it took by the client's clock. */
const exchange = Effect.fnUntraced(function* (pairing: Pairing, options: Exchange) {
  const { client, server, application, credentials, material } = pairing
  const { up, down, serverTakenFor = "server", clientTakenFor = "client" } = options
  const known = material.credentials[credentials]
  const common = { application, mutual: options.mutual === true || credentials === "rawPublicKey" }
  const running = yield* server.server({
    ...common,
    self: known.server,
    trusted: known[clientTakenFor],
    send: down,
    expect: up
  })
  const atClient = yield* client.client({
    ...common,
    port: running.port,
    self: known.client,
    trusted: known[serverTakenFor],
    send: up,
    expect: down
  })
  yield* check("client", atClient, down)
  const atServer = yield* running.received
  yield* check("server", atServer, up)
  return atClient.millis ?? atServer.millis
})

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

/** How implementations put it: by name, as TLS alert 48 (unknown_ca, QUIC error 304), or with a mere close. */
const signsOfRefusal = /certificate|handshake refused|crypto|error 304|closed by the peer|no answer/i

/** Someone proves an identity that the other side does not trust: nothing may come of it. */
const refused = (name: string, title: string, who: "serverTakenFor" | "clientTakenFor"): Case => ({
  name,
  title,
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const mutual = who === "clientTakenFor"
    const refusal = yield* exchange(pairing, { up: small, down: small, mutual, [who]: "stranger" }).pipe(
      Effect.flatMap(() => new InteropFailure({ reason: "an identity was accepted that nobody trusts" })),
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
    return Effect.map(exchange(pairing, { up: payloads[up], down: payloads[down] }), (millis) =>
      rate(bytes, millis)
    )
  }
})

export const cases: ReadonlyArray<Case> = [
  small("handshake", "handshake", false),
  refused("stranger", "wrong server", "serverTakenFor"),
  small("mutual", "client verified", true),
  refused("intruder", "wrong client", "clientTakenFor"),
  bulk("upload", "10 MB up", "up", "small"),
  bulk("download", "10 MB down", "small", "down"),
  bulk("both", "both at once", "up", "down")
]
