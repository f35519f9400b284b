/** Sockets with something between them and their endpoint. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Draft } from "../../layers/udp/Draft.ts"
import { type ReceivedDatagram, UdpPort, type UdpSocket } from "../../src/capability/UdpPort.ts"

export interface Between {
  /** Takes the place of `send`, and of `reserve` with `commit`. */
  readonly send?: UdpSocket["send"]
  /** Called with each datagram after it has been handled, while its memory is the socket's again. */
  readonly handled?: (datagram: ReceivedDatagram) => void
  readonly flush?: () => void
}

/** `socket` with `between` between. */
export const interposed = (socket: UdpSocket, { send, handled, flush }: Between): UdpSocket => {
  const draft = new Draft()
  const own: Partial<UdpSocket> = {
    ...(send !== undefined && {
      send,
      reserve: (maxBytes) => draft.reserve(maxBytes),
      commit: (end, to, ecn, from) => send(draft.bytes, 0, end, to, ecn, from)
    }),
    ...(handled !== undefined && {
      drain: (max, handle) =>
        socket.drain(max, (datagram) => {
          handle(datagram)
          handled(datagram)
        })
    }),
    ...(flush !== undefined && { flush })
  }
  return new Proxy(socket, {
    get: (_, key) => {
      if (send !== undefined && key === "buffer") return draft.bytes
      if (key in own) return Reflect.get(own, key)
      const value: unknown = Reflect.get(socket, key, socket)
      return typeof value === "function" ? value.bind(socket) : value
    }
  })
}

/** The port of the context, with something between each of its sockets and their endpoints. */
export const layerBetween = (between: (socket: UdpSocket) => Between): Layer.Layer<UdpPort, never, UdpPort> =>
  Layer.effect(
    UdpPort,
    Effect.map(UdpPort, (port) => ({
      ...port,
      bind: (options) => Effect.map(port.bind(options), (socket) => interposed(socket, between(socket)))
    }))
  )

/** Overwrites each datagram once it has been handled, as a port does that receives into the same memory again. */
export const layerLending: Layer.Layer<UdpPort, never, UdpPort> = layerBetween(() => ({
  handled: ({ bytes }) => void bytes.fill(0xa5)
}))
