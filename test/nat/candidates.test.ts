/** Candidates of this side: which are named, and in what order. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type CandidateKind,
  candidateOf,
  candidatePriority,
  ownCandidates,
  rankCandidates
} from "../../src/nat/candidates.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { observed, OUTSIDE } from "./observed.ts"

const at = (host: string, port = 4433) => socketAddress(host, port)!
const options = { maxCandidates: 8, predictsPorts: true, isSecret: () => false }
const host = (address: string, port = 4433) => ({ address: at(address, port), socket: 0 })
const kinds: ReadonlyArray<CandidateKind> = ["host", "peerReflexive", "serverReflexive", "predicted", "relay"]

describe("E3 candidates", () => {
  it("have the priorities of RFC 8445 §5.1.2.1", () => {
    expect(candidatePriority("host", 65_535)).toBe(2_130_706_431)
    expect(candidatePriority("peerReflexive", 65_535)).toBe(1_862_270_975)
    expect(candidatePriority("serverReflexive", 65_535)).toBe(1_694_498_815)
    expect(candidatePriority("relay", 65_535)).toBe(16_777_215)
  })

  it("of a better kind come first, whatever the preference within the kind", () => {
    const preference = fc.nat(65_535)
    fc.assert(
      fc.property(preference, preference, fc.nat(3), (a, b, kind) => {
        expect(candidatePriority(kinds[kind], a)).toBeGreaterThan(candidatePriority(kinds[kind + 1], b))
        expect(candidatePriority(kinds[kind], a)).toBeLessThan(2 ** 31)
        expect(candidatePriority(kinds[kind + 1], b)).toBeGreaterThanOrEqual(0)
      })
    )
  })

  it("are ranked, without repetitions and bounded, whatever there is", () => {
    const some = fc.record({ kind: fc.constantFrom(...kinds), n: fc.nat(20), place: fc.nat(70_000) })
    fc.assert(
      fc.property(fc.array(some, { maxLength: 300 }), fc.integer({ min: 1, max: 256 }), (all, max) => {
        const candidates = all.map(({ kind, n, place }) => candidateOf(kind, at(`198.51.100.${n}`), place))
        const ranked = rankCandidates(candidates, max)
        const hosts = ranked.map(({ address }) => address.host)
        expect(new Set(hosts).size).toBe(hosts.length)
        expect(ranked.length).toBe(Math.min(max, new Set(all.map(({ n }) => n)).size))
        for (let i = 1; i < ranked.length; i++)
          expect(ranked[i - 1].priority).toBeGreaterThanOrEqual(ranked[i].priority)
        for (const { address, priority } of ranked)
          for (const other of candidates)
            if (other.address.host === address.host) expect(other.priority).toBeLessThanOrEqual(priority)
      })
    )
  })

  it("are those of interfaces, then those that others have seen, the latest first", () => {
    const seen = [
      observed([4000])[0],
      { ...observed([4000])[0], mapped: at(OUTSIDE, 6000), atMicros: 5, socket: 1 }
    ]
    const own = ownCandidates(
      { hosts: [host("192.168.1.5"), host("2001:db8::5")], observations: seen },
      options,
      0
    )
    expect(own.map(({ kind, address }) => [kind, address.host, address.port])).toEqual([
      ["host", "192.168.1.5", 4433],
      ["host", "2001:db8::5", 4433],
      ["serverReflexive", OUTSIDE, 6000],
      ["serverReflexive", OUTSIDE, 4000]
    ])
  })

  it("an address that an interface has and others see is named once", () => {
    const own = ownCandidates(
      { hosts: [host(OUTSIDE, 4000)], observations: observed([4000, 4000]) },
      options,
      0
    )
    expect(own.map(({ kind }) => kind)).toEqual(["host"])
  })

  it("never are loopback, link-local, unspecified, or secret addresses, nor ports nobody has", () => {
    const hosts = [
      host("127.0.0.1"),
      host("::1"),
      host("169.254.1.1"),
      host("fe80::1%eth0"),
      host("0.0.0.0"),
      host("fd7a:e110::1"),
      host("192.168.1.5", 0)
    ]
    const isSecret = (address: { readonly host: string }) => address.host.startsWith("fd7a:e110:")
    const observations = [{ ...observed([4000])[0], mapped: at("127.0.0.1") }]
    expect(ownCandidates({ hosts, observations }, { ...options, isSecret }, 0)).toEqual([])
  })

  it("predicted ones take up to half of the places, and what others leave free", () => {
    const observations = observed([4000, 4001, 4002])
    const hosts = Array.from({ length: 9 }, (_, n) => host(`192.168.1.${n}`))
    const count = (max: number, all: typeof hosts, predictsPorts = true) => {
      const own = ownCandidates(
        { hosts: all, observations },
        { ...options, maxCandidates: max, predictsPorts },
        0
      )
      return { all: own.length, predicted: own.filter(({ kind }) => kind === "predicted").length }
    }
    expect(count(8, hosts)).toEqual({ all: 8, predicted: 4 })
    // beside one of those that were seen: the others are of no use to anybody else
    expect(count(8, hosts.slice(0, 1))).toEqual({ all: 8, predicted: 6 })
    expect(count(8, [])).toEqual({ all: 8, predicted: 7 })
    expect(count(8, hosts, false)).toEqual({ all: 8, predicted: 0 })
    expect(count(1, hosts)).toEqual({ all: 1, predicted: 0 })
    expect(count(256, hosts)).toEqual({ all: 22, predicted: 12 })
  })

  it("of nobody can be more than configured", () => {
    const hosts = Array.from({ length: 400 }, (_, n) => host(`10.0.${n >> 8}.${n & 255}`))
    expect(ownCandidates({ hosts, observations: [] }, { ...options, maxCandidates: 256 }, 0)).toHaveLength(
      256
    )
  })
})
