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

/** One connection, `up` sent by the client and `down` by the server; how long it took by the client's clock. */
const exchange = Effect.fnUntraced(function* (
  { client, server, application, credentials, material }: Pairing,
  up: Payload,
  down: Payload,
  trusted: "server" | "stranger" = "server"
) {
  const known = material.credentials[credentials]
  const running = yield* server.server({
    application,
    self: known.server,
    trusted: known.client,
    send: down,
    expect: up
  })
  const atClient = yield* client.client({
    application,
    port: running.port,
    self: known.client,
    trusted: known[trusted],
    send: up,
    expect: down
  })
  const atServer = yield* running.received
  yield* check("client", atClient, down)
  yield* check("server", atServer, up)
  return atClient.millis ?? atServer.millis
})

const rate = (bytes: number, millis: number | undefined): Note =>
  millis === undefined ? "ok" : `${(bytes / 1000 / millis).toFixed(0)} MB/s`

const handshake: Case = {
  name: "handshake",
  title: "handshake",
  run: (pairing) => {
    const { small } = pairing.material.payloads
    return Effect.as(exchange(pairing, small, small), "ok")
  }
}

/** The server proves an identity that the client does not trust: no connection may come of it. */
const stranger: Case = {
  name: "stranger",
  title: "stranger refused",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const refusal = yield* exchange(pairing, small, small, "stranger").pipe(
      Effect.flatMap(() => new InteropFailure({ reason: "the client accepted a stranger for the server" })),
      Effect.flip
    )
    const isAboutIdentity = /certificat|crypto|tls|handshake|unknown|identity|error 304/i.test(refusal.reason)
    return isAboutIdentity ? "ok" : yield* refusal
  })
}

const bulk = (name: string, title: string, up: "small" | "up", down: "small" | "down"): Case => ({
  name,
  title,
  run: (pairing) => {
    const { payloads } = pairing.material
    const bytes =
      (up === "up" ? payloads.up.bytes.length : 0) + (down === "down" ? payloads.down.bytes.length : 0)
    return Effect.map(exchange(pairing, payloads[up], payloads[down]), (millis) => rate(bytes, millis))
  }
})

export const cases: ReadonlyArray<Case> = [
  handshake,
  stranger,
  bulk("upload", "10 MB up", "up", "small"),
  bulk("download", "10 MB down", "small", "down"),
  bulk("both", "both at once", "up", "down")
]
