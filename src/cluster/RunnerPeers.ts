/** The connections to other runners: one for each, for whoever calls it or wants to know whether it lives. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { RunnerAddress } from "effect/cluster/RunnerAddress"
import * as Liveness from "../Liveness.ts"
import type { LivenessOptions } from "../Liveness.ts"
import type { Peer, PeerOptions } from "../Peer.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicEndpointShape } from "../QuicEndpoint.ts"
import { HandshakeTimeout, PeerClosed, type QuicError, quicError } from "../QuicError.ts"
import type { RunnerSettings } from "./runnerOptions.ts"

/** A runner that is back is noticed within about a second. */
const MAX_DELAY = Duration.seconds(1)

const schedule = Schedule.exponential("50 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, MAX_DELAY))),
  Schedule.jittered
)

export class RunnerPeers {
  private readonly peers: RcMap.RcMap<RunnerAddress, Peer, QuicError>
  private readonly settings: RunnerSettings

  constructor(peers: RcMap.RcMap<RunnerAddress, Peer, QuicError>, settings: RunnerSettings) {
    this.peers = peers
    this.settings = settings
  }

  /** The peer of a runner, which stays connected for as long as a scope asks for it. */
  of(address: RunnerAddress): Effect.Effect<Peer, QuicError, Scope> {
    return RcMap.get(this.peers, address)
  }

  /** A connection, or the error of having none in time. */
  connected(
    address: RunnerAddress,
    peer: Peer,
    duration: Duration.Input = this.settings.reconnectMillis
  ): Effect.Effect<QuicConnection, QuicError> {
    return Effect.timeoutOrElse(nextConnection(peer), {
      duration,
      orElse: () => Effect.fail(quicError(unanswered(address)))
    })
  }
}

/** The current connection, or the next one. Takes no place among the operations that may wait for it. */
export const nextConnection = (peer: Peer): Effect.Effect<QuicConnection, QuicError> =>
  Effect.flatMap(peer.state, (state) =>
    "connection" in state ? Effect.succeed(state.connection) : firstOf(peer)
  )

const firstOf = (peer: Peer): Effect.Effect<QuicConnection, QuicError> =>
  Effect.flatMap(Stream.runHead(Stream.filter(peer.changes, (state) => "connection" in state)), (state) =>
    Option.isSome(state)
      ? Effect.succeed(state.value.connection)
      : Effect.fail(quicError(new PeerClosed({ name: peer.name, problem: "with its endpoint" })))
  )

const unanswered = ({ host, port }: RunnerAddress): HandshakeTimeout =>
  new HandshakeTimeout({ address: `${host}:${port}`, waitingFor: "peer" })

/** The peers of runners end with the scope. */
export const makeRunnerPeers = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  settings: RunnerSettings
) {
  const peers = yield* RcMap.make({
    lookup: (address: RunnerAddress) =>
      Effect.tap(endpoint.peer(peerOptions(address, settings)), (peer) =>
        Effect.forkScoped(Effect.ignore(endSilent(peer, settings)))
      )
  })
  return new RunnerPeers(peers, settings)
})

/** Ends connections that have become silent; whether another can be made decides whether the runner lives. */
const endSilent = (peer: Peer, { liveness }: RunnerSettings): Effect.Effect<never, QuicError> =>
  Effect.forever(
    Effect.flatMap(nextConnection(peer), (connection) =>
      Effect.ignore(Effect.scoped(untilSilent(connection, liveness)))
    )
  )

const untilSilent = Effect.fnUntraced(function* (connection: QuicConnection, options: LivenessOptions) {
  const { changes, quarantine } = yield* Liveness.make(connection, options)
  yield* Stream.runHead(Stream.filter(changes, ({ _tag }) => _tag === "Suspected"))
  yield* quarantine("silent for too long")
  return yield* connection.closed
})

const peerOptions = ({ host, port }: RunnerAddress, settings: RunnerSettings): PeerOptions => ({
  name: `runner ${host}:${port}`,
  host,
  port,
  alpn: [settings.alpn],
  identity: settings.identity,
  transport: settings.transport,
  schedule,
  ...(settings.serverName !== undefined && { serverName: settings.serverName })
})
