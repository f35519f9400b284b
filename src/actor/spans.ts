/**
 * Spans of what takes time: connecting, handshakes, migrations, stream handlers.
 *
 * A span is a child of the caller's. Without a tracing backend none is made, and all that is paid is a look at the tracer.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Connection } from "../connection/Connection.ts"
import { versionName } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** Whether somebody other than Effect's own tracer, which exports nothing, would see a span. */
export const isTraced = (context: Context.Context<never>): boolean =>
  Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer

/** The effect within a span, if anybody would see it. */
export const traced = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  name: string,
  options: () => Tracer.SpanOptionsNoTrace
): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<never>) =>
    isTraced(context) ? withSpan(effect, name, options()) : effect
  )

/** The stack of the caller, which is ours, would say nothing. */
export const withSpan = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  name: string,
  options: Tracer.SpanOptionsNoTrace
): Effect.Effect<A, E, R> => Effect.withSpan(effect, name, { ...options, captureStackTrace: false })

const CONNECTION_ID = "quic.connection.id"

/** What identifies the other end, in the words of OpenTelemetry. */
export const peerAttributes = ({ host, port, relayed }: SocketAddress): Record<string, unknown> => ({
  "network.peer.address": relayed ?? host,
  "network.peer.port": port
})

/** What identifies a connection: the peer, its number in the tree and the metrics, and what both ends call it. */
export const connectionAttributes = (
  core: Connection,
  fiberId: number | undefined
): Record<string, unknown> => ({
  ...peerAttributes(core.path.remote),
  "quic.connection": fiberId,
  [CONNECTION_ID]: core.id
})

/** Adds to the span that surrounds an attempt which connection it is about. */
export const connectionNamer = (
  context: Context.Context<never>
): ((core: Connection) => void) | undefined => {
  if (!isTraced(context)) return undefined
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return span?._tag === "Span" ? ({ id }) => span.attribute(CONNECTION_ID, id) : undefined
}

/** Told of the handshake of a client that has just completed. */
export type HandshakeRecorder = (core: Connection, fiberId: number | undefined, tookMicros: number) => void

/**
 * Makes a span for each handshake that a client completes; undefined if nobody would see them. Those that are not
 * completed have none: they are strangers', who may be many.
 */
export const handshakeRecorder = (
  tracer: Tracer.Tracer,
  clock: Clock.Clock
): HandshakeRecorder | undefined =>
  tracer === Tracer.nativeTracer
    ? undefined
    : (core, fiberId, tookMicros) => {
        const endNanos = clock.currentTimeNanosUnsafe()
        const span = tracer.span({
          name: "quic.handshake",
          parent: Option.none(),
          annotations: Context.empty(),
          links: [],
          startTime: endNanos - BigInt(Math.round(tookMicros * 1000)),
          kind: "server",
          root: true,
          sampled: true
        })
        const attributes = {
          ...connectionAttributes(core, fiberId),
          "quic.version": versionName(core.versions.negotiated),
          "quic.resumed": core.handshake.facts?.resumed
        }
        for (const [key, value] of Object.entries(attributes)) span.attribute(key, value)
        span.end(endNanos, Exit.void)
      }
