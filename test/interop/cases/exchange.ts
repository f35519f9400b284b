/** Common to all cases: run a server and a client, transfer bytes in both directions, check the result. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Material } from "../material.ts"
import { Middlebox, type MiddleboxOptions } from "../Middlebox.ts"
import {
  type Application,
  type Credential,
  type Features,
  type Implementation,
  InteropFailure,
  type Payload,
  type Received,
  type Seen
} from "../Peer.ts"

export interface Pairing {
  readonly client: Implementation
  readonly server: Implementation
  readonly application: Application
  readonly credentials: Credential["kind"]
  readonly material: Material
}

/** The table entry of a case that passed. */
export type Note = string

/** A case to run with a pairing of two implementations. */
export interface Case {
  readonly name: string
  readonly title: string
  readonly run: (pairing: Pairing) => Effect.Effect<Note, InteropFailure, ChildProcessSpawner | Scope.Scope>
}

export interface Exchange extends Features {
  readonly up: Payload
  readonly down: Payload
  readonly mutual?: boolean
  /** Whose identity the client trusts, and whose the server trusts. */
  readonly serverTakenFor?: "server" | "stranger"
  readonly clientTakenFor?: "client" | "stranger"
  /** Run both sides through a middlebox. */
  readonly network?: MiddleboxOptions
}

/** The observations after an exchange in which every byte arrived. */
export interface Evidence {
  readonly client: Seen
  readonly server: Seen
  /** Measured by the client, if it has a clock. */
  readonly millis: number | undefined
}

const check = (
  side: string,
  received: Received,
  sent: Payload,
  times: number
): Effect.Effect<void, InteropFailure> => {
  const expected = sent.bytes.length * times
  if (received.bytes !== expected)
    return new InteropFailure({ reason: `the ${side} received ${received.bytes} of ${expected} bytes` })
  if (received.sha256 !== undefined && received.sha256 !== sent.sha256)
    return new InteropFailure({
      reason: `the ${side} received ${received.bytes} bytes that differ from what was sent`
    })
  return Effect.void
}

const run = Effect.fnUntraced(function* (pairing: Pairing, options: Exchange) {
  const { client, server, application, credentials, material } = pairing
  const { up, down, serverTakenFor = "server", clientTakenFor = "client", network, ...features } = options
  const known = material.credentials[credentials]
  const common = {
    ...features,
    application,
    mutual: options.mutual === true || credentials === "rawPublicKey"
  }
  const running = yield* server.server({
    ...common,
    self: known.server,
    trusted: known[clientTakenFor],
    send: down,
    expect: up
  })
  const box = network && (yield* Middlebox.make(running.port, network))
  const atClient = yield* client.client({
    ...common,
    port: box?.port ?? running.port,
    self: known.client,
    trusted: known[serverTakenFor],
    send: up,
    expect: down
  })
  const times = (features.streams ?? 1) * (features.comeBack === undefined ? 1 : 2)
  yield* check("client", atClient, down, times)
  const atServer = yield* running.received
  yield* check("server", atServer, up, times)
  const evidence: Evidence = {
    client: atClient.seen,
    server: atServer.seen,
    millis: atClient.millis ?? atServer.millis
  }
  return { evidence, box }
})

/** Sends `up` from the client and `down` from the server, on each requested stream and connection. */
export const exchange = (pairing: Pairing, options: Exchange) =>
  Effect.map(run(pairing, options), ({ evidence }) => evidence)

/** The same through a middlebox, which observes the wire even when it does nothing else. */
export const exchangeThrough = (
  pairing: Pairing,
  options: Exchange & { readonly network: MiddleboxOptions }
) => Effect.map(run(pairing, options), ({ evidence, box }) => ({ ...evidence, box: box! }))

/** Fails unless `holds`: the bytes arrived, but `what` went wrong. */
export const require = (holds: boolean, what: string): Effect.Effect<void, InteropFailure> =>
  holds ? Effect.void : new InteropFailure({ reason: `every byte arrived, but ${what}` })
