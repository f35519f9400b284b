/** Scenarios that chaos found something with, made small. Each says which seed it was drawn from, and what was wrong. */
import { describe, expect, it } from "vitest"
import { runScenario } from "../chaos/runScenario.ts"
import type { Scenario } from "../chaos/Scenario.ts"

/** One client, one visit, nothing special. */
const plain: Scenario = {
  seed: "0",
  interleaving: "fifo",
  server: { uplink: {}, transport: {}, retry: "never", earlyData: false },
  clients: [
    {
      way: "router",
      link: {},
      transport: {},
      groups: ["x25519"],
      visits: [{ afterMillis: 0, earlyData: false, near: [], far: [], closeCode: undefined }]
    }
  ],
  faults: [],
  healAtMillis: 12_000
}

const scenarios: ReadonlyArray<readonly [string, Scenario]> = [
  [
    // a server answered a token in which a bit had flipped with INVALID_TOKEN, without looking whether the packet was authentic
    "seed 1024: a Retry token that is damaged on the way ends no handshake",
    {
      ...plain,
      seed: "1024",
      server: { ...plain.server, uplink: { bitsPerSecond: 369_077 }, retry: "always" },
      clients: [{ ...plain.clients[0], way: "nat", groups: ["x25519MlKem768", "x25519"] }],
      faults: [
        {
          atMillis: 0,
          fault: {
            kind: "conditions",
            link: "uplink",
            conditions: { corruptRate: 0.10772204977083374 },
            forMillis: 1_200,
            direction: "forward"
          }
        },
        { atMillis: 0, fault: { kind: "linkDown", link: "link0", forMillis: 59 } }
      ]
    }
  ]
]

describe("what chaos found", () => {
  for (const [name, scenario] of scenarios)
    it(name, async () => {
      expect((await runScenario(scenario)).problems).toEqual([])
    })
})
