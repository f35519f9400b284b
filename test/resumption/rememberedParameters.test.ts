/** Which of the server's remembered parameters a client uses until it receives new ones. RFC 9000 §7.4.1 */
import { spareIds, openableStreams } from "../inspect.ts"
import { describe, expect, it } from "vitest"
import type { Connection } from "../../src/connection/Connection.ts"
import { CorePair, type CorePairOptions } from "../connection/CorePair.ts"

const preferred = { ipv4: { host: "192.0.2.9", port: 444, family: 4 }, ipv6: undefined } as const

const acceptEarlyData = () => true

/** The max_ack_delay a client assumes for the server, in microseconds. */
const ackDelayOf = ({ path: { recovery } }: Connection): number =>
  recovery.ptoMicros() - recovery.rtt.ptoBaseMicros

/** A client resumes a session with a server whose parameters are now those of `server`. */
const resumedWith = (options: CorePairOptions) => {
  const first = new CorePair({
    acceptEarlyData,
    preferred,
    server: { ackDelayExponent: 9, maxAckDelay: 900 }
  })
  first.exchange()
  const [ticket] = first.tickets
  expect(ticket.earlyData).toBe(true)
  const pair = new CorePair({ acceptEarlyData, resume: ticket, ...options })
  const { streams } = pair.client
  const id = streams.open(false)
  streams.write(id, new Uint8Array(500))
  return { pair, id }
}

describe("a client with a ticket", () => {
  // RFC 9000 §7.4.1 #2 #3 #4, §7.4.1 #S1
  it("uses the server's remembered limits for 0-RTT, but its current delays and IDs", () => {
    const { pair, id } = resumedWith({ server: { ackDelayExponent: 4, maxAckDelay: 50 } })
    const stranger = new CorePair({ acceptEarlyData })
    expect(id).toBeGreaterThanOrEqual(0)
    const { client } = pair
    expect(openableStreams(client.streams, false)).toBe(99)
    expect(client.handshake.peerParameters).toBeUndefined()
    expect(ackDelayOf(client)).toBe(ackDelayOf(stranger.client))
    expect([client.path.peerIds.count, spareIds(client.path.peerIds)]).toEqual([1, 0])
    pair.exchange()
    expect(client.handshake.facts?.earlyData).toBe("accepted")
    expect(pair.server!.streams.read(id, 1_000)?.length).toBe(500)
    expect(client.handshake.peerParameters).toMatchObject({ ackDelayExponent: 4, maxAckDelayMillis: 50 })
    expect(ackDelayOf(client)).toBe(50_000)
    // parameters the server omits now have their defaults, not their remembered values
    const silent = resumedWith({}).pair.exchange()
    expect(silent.client.handshake.facts?.earlyData).toBe("accepted")
    expect(ackDelayOf(silent.client)).toBe(25_000)
    expect(silent.client.handshake.peerParameters).toMatchObject({ ackDelayExponent: 3 })
  })

  // RFC 9000 §7.4.1 #2, §9.6.2 #4
  it("does not migrate to the previous connection's preferred address", () => {
    const { pair } = resumedWith({})
    const { client } = pair
    pair.exchange().advance(1_000_000)
    expect(client.handshake.confirmed).toBe(true)
    expect(client.handshake.peerParameters?.preferredAddress).toBeUndefined()
    expect(client.path.routes.all.map(({ remote }) => remote.host)).toEqual(["192.0.2.1"])
  })
})
