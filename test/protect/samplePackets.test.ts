import { describe, expect, it } from "vitest"
import { suite as noble } from "../../layers/noble/NobleCryptoSuite.ts"
import type { CryptoSuiteShape } from "../../src/capability/CryptoSuite.ts"
import { cipherSuites, TLS_CHACHA20_POLY1305_SHA256 } from "../../src/protect/CipherSuite.ts"
import { hkdfExpandLabel } from "../../src/protect/hkdf.ts"
import { initialKeys } from "../../src/protect/initialKeys.ts"
import { PacketKeys } from "../../src/protect/PacketKeys.ts"
import { retryIntegrityTag } from "../../src/protect/retryIntegrity.ts"
import { Version } from "../../src/wire/PacketType.ts"
import { hex, toHex } from "./bytes.ts"
import { clientConnectionId, clientCrypto, rfc9001, rfc9369, serverPayload } from "./samplePackets.ts"
import { suite as node } from "../io.ts"

const versions = [
  { rfc: "RFC 9001", version: Version.v1, prefix: "quic", sample: rfc9001 },
  { rfc: "RFC 9369", version: Version.v2, prefix: "quicv2", sample: rfc9369 }
]
const cases = [node, noble].flatMap((suite) => versions.map((version) => ({ suite, ...version })))

const derive = (suite: CryptoSuiteShape, secret: Uint8Array, label: string, length: number): string =>
  toHex(hkdfExpandLabel(suite, "sha256", secret, label, new Uint8Array(0), length))

describe.each(cases)("the sample packets of $rfc on $suite.name", ({ suite, version, prefix, sample }) => {
  const initial = initialKeys(suite, version, hex(clientConnectionId))

  /** Seals header ‖ payload and opens the result again. */
  const expectSample = (
    keys: PacketKeys,
    header: string,
    payload: Uint8Array,
    pnOffset: number,
    pnLength: number,
    packetNumber: number,
    packet: string
  ): void => {
    const plain = Uint8Array.from([...hex(header), ...payload])
    const buffer = new Uint8Array(plain.length + 16)
    buffer.set(plain)
    const end = keys.seal(buffer, 0, pnOffset, pnLength, plain.length, packetNumber, 0)
    expect(toHex(buffer)).toBe(packet.replace(/\s/g, ""))
    expect(end).toBe(buffer.length)
    expect(keys.unmask(buffer, 0, pnOffset, end)).toBe(pnLength)
    expect(toHex(buffer.subarray(0, pnOffset + pnLength))).toBe(header)
    expect(keys.open(buffer, 0, pnOffset, pnLength, end, packetNumber, 0)).toBe(true)
    expect(toHex(buffer.subarray(0, plain.length))).toBe(toHex(plain))
  }

  // RFC 9001 §5.2 #1
  it.each(["client", "server"] as const)("derive the %s's Initial keys", (role) => {
    expect(toHex(initial[role].secret)).toBe(sample[role].secret)
    expect(derive(suite, initial[role].secret, `${prefix} key`, 16)).toBe(sample[role].key)
    expect(derive(suite, initial[role].secret, `${prefix} iv`, 12)).toBe(sample[role].iv)
    expect(derive(suite, initial[role].secret, `${prefix} hp`, 16)).toBe(sample[role].hp)
  })

  it("seal and open the client's Initial", () => {
    const payload = new Uint8Array(1162)
    payload.set(hex(clientCrypto))
    expectSample(initial.client, sample.clientInitial.header, payload, 18, 4, 2, sample.clientInitial.packet)
  })

  it("seal and open the server's Initial", () => {
    const { header, packet } = sample.serverInitial
    expectSample(initial.server, header, hex(serverPayload), 18, 2, 1, packet)
  })

  it("seal and open a ChaCha20-Poly1305 packet with a short header, and update its secret", () => {
    const { secret, header, packet, updatedSecret } = sample.chaCha
    const cipher = cipherSuites.get(TLS_CHACHA20_POLY1305_SHA256)!
    const keys = PacketKeys.fromSecret(suite, cipher, hex(secret), version)
    expectSample(keys, header, Uint8Array.of(1), 1, 3, 654_360_564, packet)
    expect(toHex(keys.next().secret)).toBe(updatedSecret)
  })

  it("bind a Retry to the Initial it answers", () => {
    const retry = hex(sample.retry)
    const withoutTag = retry.subarray(0, retry.length - 16)
    const tag = retryIntegrityTag(suite, version, hex(clientConnectionId), withoutTag)
    expect(toHex(tag)).toBe(sample.retry.slice(-32))
    expect(tag.length).toBe(16)
    expect(toHex(retryIntegrityTag(suite, version, hex("8394c8f03e515709"), withoutTag))).not.toBe(toHex(tag))
  })
})
