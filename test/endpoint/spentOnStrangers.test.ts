/** What an endpoint spends on a datagram before it is authenticated. */
import { afterEach, describe, expect, it, vi } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import { CorePair } from "../connection/CorePair.ts"
import { puppetAddress, rawIdentity, tlsSettings, transportSettings } from "../connection/Duel.ts"
import { suite } from "../io.ts"

const seeded = new SeededRandom("strangers")

afterEach(() => {
  vi.restoreAllMocks()
})

/** An Initial to an unknown connection ID, filled with noise; also the start of a packet of another version. */
const initialOf = (version: number, token: Uint8Array): Uint8Array => {
  const w = new ByteWriter(seeded.bytes(1200))
  w.u8(0xc3)
  w.u32(version)
  w.u8(8)
  w.copy(seeded.bytes(8))
  w.u8(8)
  w.copy(seeded.bytes(8))
  w.u8(token.length)
  w.copy(token)
  const length = 1200 - w.offset - 2
  w.u8(0x40 | (length >> 8))
  w.u8(length & 0xff)
  return w.bytes
}

const shortHeader = (): Uint8Array => {
  const bytes = seeded.bytes(60)
  bytes[0] = 0x41
  return bytes
}

const makeServer = () => {
  const random = vi.fn(seeded.bytes)
  const tls = tlsSettings(rawIdentity(seeded))
  const server = { tls, transport: transportSettings() }
  return { random, server: new Endpoint({ suite, random, connectionIdBytes: 8, server }) }
}

describe("an Initial that fails authentication", () => {
  it("raises no event and creates no connection", () => {
    const observed: Array<string> = []
    const pair = new CorePair({
      observe: (role) => {
        observed.push(role)
        return undefined
      },
      between: (datagram, to) => {
        if (to === "server") datagram[1_000] ^= 1
        return datagram
      }
    })
    pair.advance(1_000_000)
    expect(pair.datagrams.some(({ to }) => to === "server")).toBe(true)
    expect(observed).toEqual(["client"])
  })

  it("costs the keys of one direction, and no random bytes", () => {
    const { server, random } = makeServer()
    random.mockClear()
    const hmac = vi.spyOn(suite, "hmac")
    expect(
      server.handleDatagram(initialOf(1, new Uint8Array(0)), puppetAddress, 0, 1_000_000)
    ).toBeUndefined()
    // the initial secret, the client's secret, and its key, IV and header protection key. RFC 9001 §5.2
    expect(hmac).toHaveBeenCalledTimes(5)
    expect(random).not.toHaveBeenCalled()
  })
})

describe("once its answer budget for strangers is used up, an endpoint spends nothing on", () => {
  const retryToken = Uint8Array.of(0x52, ...seeded.bytes(59))
  for (const [what, datagram] of [
    ["a short header with an unknown connection ID", shortHeader],
    ["an unknown version", () => initialOf(0x1a2a3a4a, new Uint8Array(0))],
    ["a bad token", () => initialOf(1, retryToken)]
  ] as const)
    it(what, () => {
      const { server, random } = makeServer()
      const hear = () => server.handleDatagram(datagram(), puppetAddress, 0, 1_000_000)
      for (let i = 0; i < 63; i++) hear()
      while (server.pollReply() !== undefined);
      random.mockClear()
      const hmac = vi.spyOn(suite, "hmac")
      for (let i = 0; i < 100; i++) hear()
      expect(hmac).not.toHaveBeenCalled()
      expect(random).not.toHaveBeenCalled()
      expect(server.pollReply()).toBeUndefined()
    })
})
