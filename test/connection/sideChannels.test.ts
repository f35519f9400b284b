/** A packet's cost reveals nothing about it: authentic and forged packets take the same steps. RFC 9001 §9.5 */
import type { Role } from "../../src/wire/Role.ts"
import { afterEach, describe, expect, it, vi } from "vitest"
import { cipherSuites, TLS_AES_128_GCM_SHA256 } from "../../src/protect/CipherSuite.ts"
import { PacketKeys } from "../../src/protect/PacketKeys.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"
import { suite } from "../io.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

afterEach(() => {
  vi.restoreAllMocks()
})

/** How often keys are used and derived while processing `datagram`. */
const workOf = (duel: Duel, datagram: Uint8Array) => {
  const unmasked = vi.spyOn(PacketKeys.prototype, "unmask")
  const opened = vi.spyOn(PacketKeys.prototype, "open")
  const derived = vi.spyOn(PacketKeys.prototype, "next")
  duel.puppet.outbox.push(datagram)
  duel.deliver()
  const work = [unmasked.mock.calls.length, opened.mock.calls.length, derived.mock.calls.length]
  vi.restoreAllMocks()
  duel.exchange()
  return work
}

for (const victim of roles)
  describe(`a ${victim}`, () => {
    it("opens each packet once, new or old, authentic or forged, RFC 9001 §6.3 #1, §9.5 #1, RFC 9000 §12.3 #5", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet, connection } = duel
      const spoilt = (packet: Uint8Array): Uint8Array => {
        const copy = packet.slice()
        copy[copy.length - 1] ^= 1
        return copy
      }
      const honest = puppet.packet(Level.OneRtt, writePing, { size: 60 })
      const once = [1, 1, 0]
      expect(workOf(duel, spoilt(honest))).toEqual(once)
      expect(workOf(duel, honest)).toEqual(once)
      expect(workOf(duel, honest)).toEqual(once)
      expect(workOf(duel, spoilt(honest))).toEqual(once)
      expect(workOf(duel, puppet.packet(Level.OneRtt, writePing, { phase: 1 }))).toEqual(once)
      const { duplicates, undecryptable } = connection.receiver.counters
      expect([duplicates, undecryptable]).toEqual([1, 3])
    })
  })

describe("an outgoing packet", () => {
  it("is sealed and masked once, whatever its number and the number's length, RFC 9001 §9.5 #2", () => {
    let sealed = 0
    let masked = 0
    const counting: typeof suite = {
      ...suite,
      aead: (algorithm, key) => {
        const real = suite.aead(algorithm, key)
        return {
          open: real.open.bind(real),
          seal: (...args) => {
            sealed++
            return real.seal(...args)
          }
        }
      },
      headerProtection: (algorithm, key) => {
        const real = suite.headerProtection(algorithm, key)
        return {
          mask: (...args) => {
            masked++
            return real.mask(...args)
          }
        }
      }
    }
    const cipher = cipherSuites.get(TLS_AES_128_GCM_SHA256)!
    const keys = PacketKeys.fromSecret(counting, cipher, new Uint8Array(32), Version.v1)
    for (const length of [1, 2, 3, 4])
      for (const number of [0, 200, 2 ** 24, 2 ** 52]) {
        sealed = masked = 0
        const buffer = new Uint8Array(100)
        buffer[0] = 0x40 | (length - 1)
        expect(keys.seal(buffer, 0, 9, length, 60, number, 0)).toBe(76)
        expect([sealed, masked]).toEqual([1, 1])
      }
  })
})
