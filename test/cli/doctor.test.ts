/** What `doctor` concludes, and what it measures by asking two nodes. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect, it, vi } from "vitest"
import { layerWithoutTrust, RelayServer } from "../../layers/node/index.ts"
import { describeMeasured } from "../../src/cli/doctor.ts"
import { findings, isBad, type Measured, natKind, type Observation } from "../../src/cli/diagnosis.ts"
import { ExitCode } from "../../src/cli/exitCodes.ts"
import { AddressDiscovery, Identity, Trust } from "../../src/index.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { runCli } from "./runCli.ts"

vi.setConfig({ testTimeout: 240_000 })

const at = (host: string, port: number) => socketAddress(host, port)!

const seen = (node: string, observed: string, port: number, datagramBytes = 1452): Observation => ({
  node,
  family: at(observed, port).family,
  remote: at(node, 7842),
  observed: at(observed, port),
  rttMillis: 20,
  datagramBytes
})

const measured = (given: Partial<Measured>): Measured => ({
  port: 5000,
  local: [at("10.0.0.2", 5000)],
  observations: [],
  relays: [],
  ...given
})

const texts = (given: Partial<Measured>) => findings(measured(given)).map(({ text }) => text)

describe("the kind of a NAT", () => {
  it.each([
    ["none", [seen("192.0.2.1", "10.0.0.2", 5000)]],
    ["easy", [seen("192.0.2.1", "198.51.100.1", 5000), seen("192.0.2.2", "198.51.100.1", 5000)]],
    ["hard", [seen("192.0.2.1", "198.51.100.1", 40_000), seen("192.0.2.2", "198.51.100.1", 40_001)]],
    ["some", [seen("192.0.2.1", "198.51.100.1", 5000)]],
    // one node that is asked twice is one destination
    ["some", [seen("192.0.2.1", "198.51.100.1", 5000), seen("192.0.2.1", "198.51.100.1", 5000)]],
    ["unknown", [{ node: "192.0.2.1", family: 4, problem: "no answer" }]],
    // the port is part of what others see
    ["some", [seen("192.0.2.1", "10.0.0.2", 6000)]]
  ] satisfies ReadonlyArray<readonly [string, ReadonlyArray<Observation>]>)("%s", (kind, observations) => {
    expect(natKind(measured({ observations }), 4)).toBe(kind)
    expect(natKind(measured({ observations }), 6)).toBe("unknown")
  })
})

describe("what it means", () => {
  it("tells a hard NAT with ports in order from one without", () => {
    const ports = (...all: ReadonlyArray<number>) =>
      texts({ observations: all.map((port, i) => seen(`192.0.2.${i + 1}`, "198.51.100.1", port)) }).join(" ")
    expect(ports(40_000, 40_002)).toMatch(/symmetric.*handed out in order/)
    expect(ports(40_000, 51_234)).toMatch(/symmetric/)
    expect(ports(40_000, 51_234)).not.toMatch(/in order/)
  })

  it("tells blocked UDP from nobody there by the relay", () => {
    const observations: ReadonlyArray<Observation> = [
      { node: "n", family: 4, problem: "no handshake in time" }
    ]
    expect(texts({ observations })).toContain(
      "No node answers over UDP: it is blocked, or none of them is there."
    )
    const relays = [{ url: "https://relay.test", rttMillis: 30 }]
    expect(texts({ observations, relays }).join(" ")).toMatch(
      /UDP does not get out, while the relay is reached.*RTT 30 ms/
    )
    expect(isBad(measured({ observations, relays }))).toBe(true)
  })

  it("names small datagrams, IPv6 and a relay that is not reached", () => {
    const six = seen("2001:db8::1", "2001:db8::2", 5000, 1280)
    const relays = [{ url: "https://relay.test", problem: "connection refused" }]
    const local = [at("2001:db8::2", 5000)]
    expect(texts({ local, observations: [six], relays })).toEqual([
      "UDP gets out.",
      "IPv6 works, without a NAT.",
      "Path MTU: datagrams of 1280 bytes pass at most: a tunnel, or a link with a small MTU, is on the way.",
      "The relay https://relay.test is not reached: connection refused"
    ])
    expect(texts({ local }).join(" ")).toMatch(/has an IPv6 address; no node was asked over it/)
    expect(texts({}).join(" ")).toMatch(/No node was asked.*No IPv6/)
  })

  it("shows nothing that a node could forge", () => {
    const observations: ReadonlyArray<Observation> = [
      { node: "n", family: 4, problem: "\x1b[2Jall\nis well" }
    ]
    const lines = describeMeasured(measured({ observations }))
    expect(lines.some((line) => /\p{Cc}/u.test(line))).toBe(false)
  })
})

describe("effect-quic doctor", () => {
  const withNodes = (use: (node: string, relay: RelayServer.RelayServerShape) => Promise<void>) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const identity = yield* Identity.generateRawKey
        const node = Effect.map(
          AddressDiscovery.serve({ host: "127.0.0.1", port: 0, identity }),
          ({ localAddress }) => `127.0.0.1:${localAddress.port}`
        )
        const bootstrap = yield* node
        const relay = yield* RelayServer.make({
          host: "127.0.0.1",
          port: 0,
          discovery: { port: 0, identity }
        })
        yield* Effect.promise(() => use(bootstrap, relay))
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, Trust.layerRawKeys([]))))
    )

  it("asks nodes what they see, from one socket, and says what that means", () =>
    withNodes(async (node, { discovery, url }) => {
      const port = String(discovery?.localAddress.port)
      const args = ["--bootstrap", node, "--relay", url, "--qad-port", port]
      const { code, stderr, stdout } = await runCli([
        "doctor",
        ...args,
        "--insecure-accept-any-peer",
        "--json"
      ])
      expect(code).toBe(0)
      expect(stderr).toMatch(/accepts any peer/)
      const told = JSON.parse(stdout)
      expect(told.observations.map(({ node }: Observation) => node)).toEqual([node, "127.0.0.1"])
      for (const { observed, rttMillis } of told.observations) {
        expect(observed).toBe(`127.0.0.1:${told.port}`)
        expect(rttMillis).toBeGreaterThan(0)
      }
      expect(told.nat).toEqual({ ipv4: "none", ipv6: "unknown" })
      expect(told.findings[0]).toEqual({ level: "good", text: "UDP gets out." })
    }))

  it("says that no node answers, with a code of its own", async () => {
    const { code, stdout } = await runCli(["doctor", "--bootstrap", "127.0.0.1:9"])
    expect(code).toBe(ExitCode.unreachable)
    expect(stdout).toMatch(/\n- No node answers over UDP/)
    const wrong = await runCli(["doctor", "--bootstrap", "a:b:c"])
    expect({ code: wrong.code, stderr: wrong.stderr }).toEqual({
      code: ExitCode.usage,
      stderr: "effect-quic: --bootstrap: expected HOST:PORT, not a:b:c\n"
    })
  })
})
