/** What every case does: a server, a client, bytes both ways, and a look at what came of it. */
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

/** What is printed in the table for a case that passed. */
export type Note = string

/** What two implementations are asked to do together: a function of the two. */
export interface Case {
  readonly name: string
  readonly title: string
  readonly run: (pairing: Pairing) => Effect.Effect<Note, InteropFailure, ChildProcessSpawner | Scope.Scope>
}

export interface Exchange extends Features {
  readonly up: Payload
  readonly down: Payload
  readonly mutual?: boolean
  /** For whom the client takes the server, and the server the client. */
  readonly serverTakenFor?: "server" | "stranger"
  readonly clientTakenFor?: "client" | "stranger"
  /** The two talk through a middlebox. */
  readonly network?: MiddleboxOptions
}

/** What is known after an exchange in which every byte arrived. */
export interface Evidence {
  readonly client: Seen
  readonly server: Seen
  /** By the client's clock, where it has one. */
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
    return new InteropFailure({ reason: `the ${side} got ${received.bytes} bytes of ${expected}` })
  if (received.sha256 !== undefined && received.sha256 !== sent.sha256)
    return new InteropFailure({
      reason: `the ${side} got ${received.bytes} bytes, but not those that were sent`
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

/** `up` sent by the client and `down` by the server, on each of the streams and connections that were asked for. */
export const exchange = (pairing: Pairing, options: Exchange) =>
  Effect.map(run(pairing, options), ({ evidence }) => evidence)

/** The same through a middlebox, which is a witness even when it does no harm. */
export const exchangeThrough = (
  pairing: Pairing,
  options: Exchange & { readonly network: MiddleboxOptions }
) => Effect.map(run(pairing, options), ({ evidence, box }) => ({ ...evidence, box: box! }))

/** The bytes arrived, but `what` has not happened. */
export const require = (holds: boolean, what: string): Effect.Effect<void, InteropFailure> =>
  holds ? Effect.void : new InteropFailure({ reason: `every byte arrived, but ${what}` })
