/** Finds out by plain UDP what a NAT does, in the terms of RFC 4787: the tests of RFC 5780 §4. */
import * as Effect from "effect/Effect"
import { UdpPort, type UdpSocket } from "../../src/capability/UdpPort.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { Dependence } from "../../layers/sim/natBehaviour.ts"
import type { Kind } from "./matrix.ts"

/** How long an answer may take. */
const patienceMillis = 400

/** What was found. */
export interface NatFindings {
  readonly mapping: Dependence | "none"
  readonly filtering: Dependence
  /** How outside ports follow from inside ones, or from each other. */
  readonly ports: "preserved" | "sequential" | "random" | "changed"
  /** The outside ports of one socket for four destinations. */
  readonly seen: ReadonlyArray<number>
}

/** Two ports at each of two addresses; each answers a datagram from the endpoint whose number is its first byte. */
export const answering = Effect.fnUntraced(function* (
  [first, second]: readonly [string, string],
  port = 3478
) {
  const udp = yield* UdpPort
  const endpoints = [first, second].flatMap((host) => [
    { host, port, family: 4 } as const,
    { host, port: port + 1, family: 4 } as const
  ])
  const sockets: Array<UdpSocket> = []
  for (const { host, port: at } of endpoints) sockets.push(yield* udp.bind({ host, port: at }))
  for (const socket of sockets)
    socket.onReadable(() => {
      socket.drain(Infinity, ({ bytes, from }) => {
        const via = sockets[bytes[0] & 3]
        const text = new TextEncoder().encode(`${bytes[1]} ${formatAddress(from)}`)
        via.send(text, 0, text.length, from, 0)
        via.flush()
      })
    })
  return endpoints
})

/** Asks, and waits for the answer: the address that was seen, or nothing in time. */
const asker = (socket: UdpSocket) => {
  let serial = 0
  let answered: ((seen: string) => void) | undefined
  socket.onReadable(() => {
    socket.drain(Infinity, ({ bytes }) => {
      const [number, seen] = new TextDecoder().decode(bytes).split(" ")
      if (Number(number) === serial) answered?.(seen)
    })
  })
  return (to: SocketAddress, via: number): Effect.Effect<string | undefined> =>
    Effect.callback<string>((resume) => {
      answered = (seen) => resume(Effect.succeed(seen))
      serial = (serial + 1) & 0xff
      socket.send(Uint8Array.of(via, serial), 0, 2, to, 0)
      socket.flush()
    }).pipe(
      Effect.timeoutOption(patienceMillis),
      Effect.map((answer) => (answer._tag === "Some" ? answer.value : undefined))
    )
}

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1))

const isSequence = (ports: ReadonlyArray<number>): boolean =>
  ports.every((port, i) => i === 0 || (port > ports[i - 1] && port - ports[i - 1] <= 16))

const mappingOf = ([p1, p2, q1]: ReadonlyArray<number>): Dependence => {
  if (p1 === p2 && p1 === q1) return "endpointIndependent"
  return p1 === p2 ? "addressDependent" : "addressAndPortDependent"
}

/** What stands between this host and `endpoints`; undefined if no UDP gets through. */
export const classify = Effect.fnUntraced(function* (
  own: ReadonlyArray<string>,
  endpoints: ReadonlyArray<SocketAddress>
) {
  const udp = yield* UdpPort
  const socket = yield* udp.bind({ host: "0.0.0.0" })
  const ask = asker(socket)
  const first = yield* ask(endpoints[0], 0)
  if (first === undefined) return undefined
  // Nothing has been sent to the second address so far, nor to the first one's other port.
  let filtering: Dependence = "addressAndPortDependent"
  if ((yield* ask(endpoints[0], 3)) !== undefined) filtering = "endpointIndependent"
  else if ((yield* ask(endpoints[0], 1)) !== undefined) filtering = "addressDependent"
  const seen = [portOf(first)]
  for (const via of [1, 2, 3]) seen.push(portOf((yield* ask(endpoints[via], via)) ?? ":0"))
  const mapping = own.some((host) => first.startsWith(`${host}:`)) ? "none" : mappingOf(seen)
  let ports: NatFindings["ports"] = seen[0] === socket.localAddress.port ? "preserved" : "changed"
  if (mapping === "addressAndPortDependent") ports = isSequence(seen) ? "sequential" : "random"
  return { mapping, filtering, ports, seen } satisfies NatFindings
}, Effect.scoped)

/** The kind of the matrix, or why it is none of them. */
export const kindOf = (findings: NatFindings | undefined): Kind | string => {
  if (findings === undefined) return "udp-blocked"
  const { mapping, filtering, ports } = findings
  if (mapping === "none") return filtering === "endpointIndependent" ? "none" : `filtered: ${filtering}`
  if (mapping === "addressAndPortDependent" && filtering === "addressAndPortDependent")
    return `symmetric-${ports}`
  if (mapping !== "endpointIndependent") return `${mapping} mapping, ${filtering} filtering`
  return {
    endpointIndependent: "full-cone",
    addressDependent: "address-restricted",
    addressAndPortDependent: "port-restricted"
  }[filtering]
}
