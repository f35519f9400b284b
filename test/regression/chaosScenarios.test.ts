/** Shrunk scenarios in which chaos found a bug. Each names its seed and what was wrong. */
import { describe, expect, it } from "vitest"
import { runScenario } from "../chaos/runScenario.ts"
import type { Scenario, Task } from "../chaos/Scenario.ts"

/** One client, one visit, default settings. */
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

const echo = (tag: number): Task => ({
  tag,
  atMillis: 0,
  kind: "echo",
  bytes: 100,
  chunk: 1_000,
  pauseMillis: 0,
  at: 1,
  deliver: 1,
  code: 1_000 + tag,
  priority: 0
})

const scenarios: ReadonlyArray<readonly [string, Scenario]> = [
  [
    // a server answered a token with a flipped bit with INVALID_TOKEN before it had authenticated the packet
    "seed 1024: a Retry token corrupted in transit does not end the handshake",
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
  ],
  [
    // after two cycles without a valid sample BBR's bandwidth, and so its pacing rate, stayed 0 forever
    "seed 101992: BBR recovers after cycles with too little to send",
    {
      seed: "101992",
      interleaving: "fifo",
      server: {
        uplink: {},
        transport: {
          congestion: "bbr",
          connectionWindowBytes: 21090,
          streamWindowBytes: 1228,
          maxDatagramFrameBytes: 65535
        },
        retry: "never",
        earlyData: true
      },
      clients: [
        {
          way: "cable",
          link: { delayMillis: 5, bitsPerSecond: 1892365, lossRate: 0.07463272132720446, mtu: 1478 },
          transport: {},
          groups: ["x25519"],
          visits: [
            {
              afterMillis: 0,
              earlyData: false,
              near: [],
              far: [
                {
                  tag: 5,
                  atMillis: 0,
                  kind: "echo",
                  bytes: 1,
                  chunk: 20270,
                  pauseMillis: 0,
                  at: 1,
                  deliver: 1,
                  code: 1005,
                  priority: 2
                }
              ],
              closeCode: undefined
            }
          ]
        },
        { way: "cable", link: {}, transport: {}, groups: ["secp256r1"], visits: [] },
        {
          way: "cable",
          link: { lossRate: 0.09969656500803352 },
          transport: { sendBufferBytes: 14146, keepAliveInterval: 2597 },
          groups: ["x25519"],
          visits: [
            {
              afterMillis: 1010,
              earlyData: false,
              near: [
                { tag: 19, atMillis: 440, kind: "datagrams", bytes: 335, count: 7, pauseMillis: 6 },
                {
                  tag: 20,
                  atMillis: 0,
                  kind: "echo",
                  bytes: 1,
                  chunk: 112,
                  pauseMillis: 42,
                  at: 1,
                  deliver: 0,
                  code: 1020,
                  priority: 2
                },
                {
                  tag: 21,
                  atMillis: 0,
                  kind: "echo",
                  bytes: 833000,
                  chunk: 8069,
                  pauseMillis: 0,
                  at: 491383,
                  deliver: 4421,
                  code: 1021,
                  priority: 2
                },
                {
                  tag: 22,
                  atMillis: 1,
                  kind: "upload",
                  bytes: 1,
                  chunk: 7462,
                  pauseMillis: 5,
                  at: 0,
                  deliver: 0,
                  code: 1022,
                  priority: 2
                }
              ],
              far: [
                {
                  tag: 25,
                  atMillis: 0,
                  kind: "download",
                  bytes: 1,
                  chunk: 3756,
                  pauseMillis: 30,
                  at: 1,
                  deliver: 0,
                  code: 1025,
                  priority: 2
                },
                {
                  tag: 26,
                  atMillis: 30,
                  kind: "stopUpload",
                  bytes: 1,
                  chunk: 55487,
                  pauseMillis: 0,
                  at: 1,
                  deliver: 1,
                  code: 1026,
                  priority: 2
                }
              ],
              closeCode: undefined
            }
          ]
        }
      ],
      faults: [],
      healAtMillis: 12000
    }
  ],
  [
    // each of two lives of a server serves what the client asks for, which was reported as a fault of the server's
    "seed 104444: 0-RTT data whose answers are lost is served again by a server that restarts",
    {
      ...plain,
      seed: "104444",
      server: { ...plain.server, earlyData: true },
      clients: [
        {
          ...plain.clients[0],
          link: { delayMillis: 10 },
          visits: [
            { afterMillis: 0, earlyData: false, near: [echo(1)], far: [], closeCode: undefined },
            { afterMillis: 500, earlyData: true, near: [echo(2)], far: [], closeCode: undefined }
          ]
        }
      ],
      faults: [
        {
          atMillis: 500,
          fault: { kind: "linkDown", link: "link0", direction: "backward", forMillis: 3_000 }
        },
        { atMillis: 2_000, fault: { kind: "crash", host: "server", forMillis: 100 } }
      ]
    }
  ]
]

describe("scenarios found by chaos", () => {
  for (const [name, scenario] of scenarios)
    it(name, async () => {
      expect((await runScenario(scenario)).problems).toEqual([])
    })
})
