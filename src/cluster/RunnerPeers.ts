/** The connections to other runners: one for each, for whoever calls it or wants to know whether it lives. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import type { RunnerAddress } from "effect/cluster/RunnerAddress"
import type { Peer, PeerOptions } from "../Peer.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicEndpointShape } from "../QuicEndpoint.ts"
import { HandshakeTimeout, type QuicError, quicError } from "../QuicError.ts"
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
    const next = Effect.timeoutOrElse(peer.connection, {
      duration,
      orElse: () => Effect.fail(quicError(unanswered(address)))
    })
    return Effect.flatMap(peer.state, (state) =>
      "connection" in state ? Effect.succeed(state.connection) : next
    )
  }
}

const unanswered = ({ host, port }: RunnerAddress): HandshakeTimeout =>
  new HandshakeTimeout({ address: `${host}:${port}`, waitingFor: "peer" })

/** The peers of runners end with the scope. */
export const makeRunnerPeers = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  settings: RunnerSettings
) {
  const peers = yield* RcMap.make({
    lookup: (address: RunnerAddress) => endpoint.peer(peerOptions(address, settings))
  })
  return new RunnerPeers(peers, settings)
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
