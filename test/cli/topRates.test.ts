import { describe, expect, it } from "vitest"
import type { EndpointNode } from "../../src/FiberTree.ts"
import { advance } from "../../src/cli/topRates.ts"
import { connectionNode, endpointNode, pathNode, processTree, statistics, streamNode } from "./topFixtures.ts"

const path = (over: Parameters<typeof pathNode>[0]) => [pathNode(over)]

describe("B8: the rates of effect-quic top", () => {
  it("are differences of counters over the endpoint's own clock; the first snapshot has none", () => {
    const first = advance(
      [],
      [
        processTree({
          ageMillis: 1000,
          connections: [
            connectionNode({
              paths: path({ bytesSent: 500, bytesReceived: 1000, packetsSent: 10, packetsLost: 1 }),
              streams: [streamNode({ receiving: { state: "open", bytes: 100, bufferedBytes: 0 } })]
            })
          ]
        })
      ]
    )
    expect(first[0].connections[0]).toMatchObject({
      inBits: undefined,
      outBits: undefined,
      lossShare: undefined
    })
    const [{ connections, elapsedMillis }] = advance(first, [
      processTree({
        ageMillis: 3000,
        connections: [
          connectionNode({
            paths: path({
              bytesSent: 2500,
              bytesReceived: 1000,
              datagramsSent: 4,
              packetsSent: 30,
              packetsLost: 6
            }),
            streams: [streamNode({ receiving: { state: "open", bytes: 350, bufferedBytes: 0 } })]
          })
        ]
      })
    ])
    expect(elapsedMillis).toBe(2000)
    expect(connections[0]).toMatchObject({ inBits: 0, outBits: 8000, outDatagrams: 2, lossShare: 0.25 })
    expect(connections[0].streams[0]).toMatchObject({ inBits: 1000, outBits: 0 })
  })

  it("count a connection that is new since the snapshot before from zero, and one with more paths path by path", () => {
    const first = advance(
      [],
      [
        processTree({
          ageMillis: 1000,
          connections: [
            connectionNode({
              fiber: 2,
              paths: [pathNode({ bytesSent: 9000 }), pathNode({ id: 1, bytesSent: 100 })]
            })
          ]
        })
      ]
    )
    const [{ connections }] = advance(first, [
      processTree({
        ageMillis: 2000,
        connections: [
          // its path 0 is gone
          connectionNode({ fiber: 2, paths: [pathNode({ id: 1, bytesSent: 350 })] }),
          connectionNode({ fiber: 9, paths: path({ bytesReceived: 125 }) })
        ]
      })
    ])
    expect(connections[0].outBits).toBe(2000)
    expect(connections[1].inBits).toBe(1000)
  })

  it("follow a connection that moved and an endpoint that was rebound", () => {
    const before = { connections: [connectionNode({ paths: path({ bytesReceived: 1000 }) })] }
    const after: Partial<EndpointNode> = {
      ageMillis: 11_000,
      local: { family: 4, host: "10.0.0.9", port: 1 },
      connections: [
        connectionNode({
          remote: { family: 4, host: "10.7.7.7", port: 9 },
          paths: path({ bytesReceived: 2000 })
        })
      ]
    }
    const [{ connections }] = advance(advance([], [processTree(before)]), [processTree(after)])
    expect(connections[0].inBits).toBe(8000)
  })

  it("begin anew for an endpoint that is younger than before, in a process that got the same PID", () => {
    const before = { ageMillis: 50_000, connections: [connectionNode({ paths: path({ bytesSent: 5 }) })] }
    const after = { ageMillis: 1000, connections: [connectionNode({ paths: path({ bytesSent: 9 }) })] }
    const [row] = advance(advance([], [processTree(before)]), [processTree(after)])
    expect(row.elapsedMillis).toBeUndefined()
    expect(row.connections[0].outBits).toBeUndefined()
  })

  it("of an endpoint come from its own counters, so they include connections that are gone", () => {
    const before = {
      ageMillis: 1000,
      statistics: statistics({ bytesSent: 100 }),
      connections: [connectionNode()]
    }
    const dropped = { ...statistics().dropped, malformed: 30 }
    const after = { ageMillis: 3000, statistics: statistics({ bytesSent: 700, dropped }) }
    const [{ totals }] = advance(advance([], [processTree(before)]), [processTree(after)])
    expect(totals.outBytes).toEqual({ total: 700, rate: 300 })
    expect(totals.dropped.malformed).toEqual({ total: 30, rate: 15 })
  })

  it("name the peer a connection belongs to", () => {
    const peer = {
      name: "billing",
      state: "Connected",
      detail: "",
      fiber: 5,
      sinceMillis: 0,
      waiting: 0,
      connections: [connectionNode()]
    }
    const [{ connections }] = advance(
      [],
      [{ pid: 1, command: "", endpoints: [endpointNode({ peers: [peer] })] }]
    )
    expect(connections.map((row) => row.peer)).toEqual(["billing"])
  })
})
