/** OBSERVED_ADDRESS. draft-ietf-quic-address-discovery */
import { describe, expect, it } from "vitest"
import { stillGrants } from "../../src/connection/parameters.ts"
import { PathObservation } from "../../src/nat/PathObservation.ts"
import { SentFrames } from "../../src/recovery/SentFrames.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension, FrameType } from "../../src/wire/FrameType.ts"
import { writeAddressFrame } from "../../src/wire/frameWriters.ts"
import { Level, PacketType } from "../../src/wire/PacketType.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { away, home, Roamer } from "../migration/Roamer.ts"
import { RecordingSink } from "../wire/recordingSink.ts"
import { CorePair } from "./CorePair.ts"
import { Duel, transportSettings } from "./Duel.ts"
import { TwoPaths } from "./TwoPaths.ts"

const [client, server] = ["192.0.2.2:5000", "192.0.2.1:4433"]
const modes = ["none", "provide", "receive", "both"] as const

const ownOf = (end: { readonly path: CorePair["client"]["path"] }): string | undefined => {
  const own = end.path.routes.observation?.own
  return own && formatAddress(own)
}

const seen = (roamer: Duel): ReadonlyArray<string> =>
  roamer.puppet.seen
    .named("onObservedAddress")
    .map(({ values, bytes }) => `${values[0]} ${bytes!.join(".")}:${values[1]}`)

describe("address discovery", () => {
  it.each(modes.flatMap((ours) => modes.map((theirs) => [ours, theirs] as const)))(
    "of a client that says %s and a server that says %s",
    (ours, theirs) => {
      const pair = new CorePair({
        client: { addressDiscovery: ours },
        server: { addressDiscovery: theirs }
      }).exchange()
      const provides = ["provide", "both"]
      const receives = ["receive", "both"]
      expect(ownOf(pair.client)).toBe(
        receives.includes(ours) && provides.includes(theirs) ? client : undefined
      )
      expect(ownOf(pair.server!)).toBe(
        receives.includes(theirs) && provides.includes(ours) ? server : undefined
      )
      expect(pair.client.lifecycle.state).toBe("established")
    }
  )

  it("tells of each path where its packets come from", () => {
    const both = { addressDiscovery: "both" } as const
    const { second } = new TwoPaths({ client: both, server: both })
    expect(formatAddress(second.client.routes.observation!.own!)).toBe("198.51.100.2:5001")
    expect(formatAddress(second.server.routes.observation!.own!)).toBe("198.51.100.1:4434")
  })

  const roamer = (): Roamer =>
    new Roamer({
      transport: { addressDiscovery: "provide" },
      puppet: { parameters: (honest) => ({ ...honest, addressDiscovery: 1 }) }
    })

  it("tells once, and again when a NAT has changed the address, with a higher number", () => {
    const moving = roamer()
    const { host, port } = home
    expect(seen(moving)).toEqual([`0 ${host}:${port}`])
    moving.advance(10_000_000)
    expect(seen(moving)).toHaveLength(1)
    moving.from = away(7)
    moving.inject(moving.puppet.packet(Level.OneRtt, (w) => w.u8(FrameType.PING)))
    expect(seen(moving)[1]).toBe("1 198.51.100.7:4433")
  })

  it("repeats what was lost", () => {
    const lossy = new Duel({
      victim: "server",
      transport: { addressDiscovery: "provide" },
      puppet: { parameters: (honest) => ({ ...honest, addressDiscovery: 1 }) }
    })
    let isLosing = true
    const receive = lossy.receive.bind(lossy)
    // the first flight only, whose OBSERVED_ADDRESS nobody can read yet, and all after
    lossy.receive = (datagram) => {
      const before = seen(lossy).length
      receive(datagram)
      if (isLosing && seen(lossy).length > before) lossy.puppet.seen.frames.splice(0)
    }
    lossy.exchange()
    isLosing = false
    expect(seen(lossy)).toEqual([])
    // nothing is acknowledged, so that a probe timeout repeats it
    lossy.advance(5_000_000)
    expect(seen(lossy)[0]).toMatch(/^0 192\.0\.2\.1:4433$/)
  })

  const observe = (number: number, address: SocketAddress) => (w: ByteWriter) =>
    writeAddressFrame(w, FrameType.OBSERVED_ADDRESS, number, address)

  it("believes the newest, in whatever order they arrive", () => {
    const asked = new Duel({
      victim: "client",
      transport: { addressDiscovery: "receive" },
      puppet: { parameters: (honest) => ({ ...honest, addressDiscovery: 0 }) }
    }).shakeHands()
    for (const [number, index] of [
      [5, 5],
      [4, 4],
      [5, 6],
      [9, 9],
      [0, 1]
    ])
      asked.inject(asked.puppet.packet(Level.OneRtt, observe(number, away(index))))
    expect(ownOf(asked.connection)).toBe("198.51.100.9:4433")
    expect(asked.events.filter(({ _tag }) => _tag === "observed")).toHaveLength(2)
    const v6 = { host: "2001:db8::5", port: 7, family: 6 } as const
    asked.inject(asked.puppet.packet(Level.OneRtt, observe(10, v6)))
    expect(asked.connection.path.routes.observation!.own).toEqual(v6)
  })

  it("keeps one event for many frames", () => {
    const asked = new Duel({
      victim: "client",
      transport: { addressDiscovery: "receive" },
      puppet: { parameters: (honest) => ({ ...honest, addressDiscovery: 2 }) }
    }).shakeHands()
    const many = (w: ByteWriter) => {
      for (let number = 0; number < 80; number++) observe(number, away(number))(w)
    }
    asked.inject(asked.puppet.packet(Level.OneRtt, many))
    expect(asked.events.filter(({ _tag }) => _tag === "observed")).toHaveLength(1)
    expect(ownOf(asked.connection)).toBe("198.51.100.79:4433")
  })

  it.each([
    ["that did not ask", "provide", 2],
    ["that offers nothing", undefined, 2],
    ["whose peer did not offer it", "both", undefined]
  ] as const)("is a PROTOCOL_VIOLATION towards one %s", (_, ours, theirs) => {
    const unasked = new Duel({
      victim: "client",
      transport: ours === undefined ? {} : { addressDiscovery: ours },
      puppet: {
        parameters: (honest) => ({ ...honest, ...(theirs !== undefined && { addressDiscovery: theirs }) })
      }
    }).shakeHands()
    unasked.inject(unasked.puppet.packet(Level.OneRtt, observe(0, away(1))))
    expect(unasked.connection.closeReason).toMatchObject({
      origin: "local",
      code: TransportErrorCode.PROTOCOL_VIOLATION,
      frameType: FrameType.OBSERVED_ADDRESS
    })
  })
})

describe("a server that no longer says what a client remembers", () => {
  it("accepts no 0-RTT data, as it has to say the same", () => {
    const first = new CorePair({
      acceptEarlyData: () => true,
      server: { addressDiscovery: "both" }
    }).exchange()
    const remembered = first.tickets[0].transportParameters
    for (const addressDiscovery of modes)
      expect(stillGrants(remembered, transportSettings({ addressDiscovery }))).toBe(
        addressDiscovery === "both"
      )
  })
})

describe("what one path tells", () => {
  const relayed: SocketAddress = { host: "fd00::1", port: 1, family: 6, relayed: "peer 0f at relay.example" }
  const frames = (observation: PathObservation, remote: SocketAddress) => {
    const sent = new SentFrames()
    const w = new ByteWriter(new Uint8Array(100))
    if (observation.hasFrames(remote)) observation.writeFrames(w, sent)
    const sink = new RecordingSink()
    if (w.offset > 0)
      new FrameDecoder("either", FrameExtension.all).decode(w.bytes, 0, w.offset, PacketType.OneRtt, sink)
    return { frames: sink.frames, sent: sent.values.slice(0, sent.length) }
  }

  it("is never the made-up address of a peer behind a relay", () => {
    const observation = new PathObservation(0, { next: 0 })
    expect(frames(observation, relayed).frames).toEqual([])
    expect(frames(observation, away(3)).frames).toHaveLength(1)
    expect(frames(observation, relayed).frames).toEqual([])
  })

  it("is not repeated when it is no longer true, or has arrived", () => {
    const numbers = { next: 0 }
    const observation = new PathObservation(4, numbers)
    expect(frames(observation, away(1)).sent).toEqual([FrameType.OBSERVED_ADDRESS, 4, 0, 0])
    expect(frames(observation, away(2)).sent).toEqual([FrameType.OBSERVED_ADDRESS, 4, 1, 0])
    observation.onLost(FrameType.OBSERVED_ADDRESS, 4, 0)
    expect(frames(observation, away(2)).sent).toEqual([])
    observation.onLost(FrameType.OBSERVED_ADDRESS, 4, 1)
    expect(frames(observation, away(2)).sent).toEqual([FrameType.OBSERVED_ADDRESS, 4, 1, 0])
    observation.onAcked(FrameType.OBSERVED_ADDRESS, 4, 1)
    observation.onLost(FrameType.OBSERVED_ADDRESS, 4, 1)
    expect(frames(observation, away(2)).sent).toEqual([])
    expect(numbers.next).toBe(2)
  })
})
