/** The swarm itself is `npm run chaos`; these tests check that it is reproducible and that it detects bugs. */
import { afterEach, describe, expect, it, vi } from "vitest"
import { DatagramQueue } from "../../src/stream/DatagramQueue.ts"
import { PacketBatch } from "../../src/recovery/SentPacket.ts"
import { PathRecovery } from "../../src/recovery/PathRecovery.ts"
import { ReceiveStream } from "../../src/stream/ReceiveStream.ts"
import { StreamSet } from "../../src/stream/StreamSet.ts"
import { draw } from "./draw.ts"
import { runScenario } from "./runScenario.ts"
import { names, type Scenario, type Task } from "./Scenario.ts"
import { shrinkScenario } from "./shrinkScenario.ts"

const copy = (scenario: Scenario): Scenario => JSON.parse(JSON.stringify(scenario)) as Scenario

describe("a scenario", () => {
  it("is the same for the same seed and differs between seeds", () => {
    const scenarios = Array.from({ length: 200 }, (_, seed) => draw(seed))
    expect(Array.from({ length: 200 }, (_, seed) => draw(seed))).toEqual(scenarios)
    expect(new Set(scenarios.map((scenario) => JSON.stringify({ ...scenario, seed: "" }))).size).toBe(200)
  })

  it("runs identically twice, to the byte, and again after a round trip through JSON", async () => {
    for (const seed of [3, 14, 15]) {
      const first = await runScenario(draw(seed))
      expect(first.problems).toEqual([])
      expect(await runScenario(draw(seed))).toEqual(first)
      expect(await runScenario(copy(draw(seed)))).toEqual(first)
    }
  })

  it("draws every kind of fault, attachment and task", () => {
    const scenarios = Array.from({ length: 500 }, (_, seed) => draw(seed))
    const clients = scenarios.flatMap((scenario) => scenario.clients)
    const visits = clients.flatMap((client) => client.visits)
    const tasks = visits.flatMap(({ near, far }) => [...near, ...far])
    const faults = scenarios.flatMap((scenario) => scenario.faults.map(({ fault }) => fault.kind))
    expect([...new Set(clients.map(({ way }) => way))].sort()).toEqual(["cable", "nat", "router"])
    expect([...new Set(faults)].sort()).toMatchInlineSnapshot(`
      [
        "changeAddress",
        "clockJump",
        "conditions",
        "crash",
        "interfaceDown",
        "linkDown",
        "partition",
        "rebind",
      ]
    `)
    expect([...new Set(tasks.map(({ kind }) => kind))].sort()).toMatchInlineSnapshot(`
      [
        "abandonPath",
        "calls",
        "datagrams",
        "download",
        "echo",
        "migrate",
        "openPath",
        "pathAvailable",
        "pathBackup",
        "ping",
        "resetDownload",
        "resetUpload",
        "rotateIds",
        "stopDownload",
        "stopUpload",
        "updateKeys",
        "upload",
      ]
    `)
    const several = scenarios.filter(({ clients }) => clients[0].transport.maxPaths !== undefined)
    expect(several.length).toBeGreaterThan(500 / 4)
    expect(several.length).toBeLessThan(500 / 2)
    expect(visits.some(({ earlyData }) => earlyData)).toBe(true)
    expect(visits.some(({ abandonAfterMillis }) => abandonAfterMillis !== undefined)).toBe(true)
    expect(tasks.some(({ cancelAfterMillis }) => cancelAfterMillis !== undefined)).toBe(true)
  })
})

const pathTasks = ({ clients }: Scenario): ReadonlyArray<Task> =>
  clients
    .flatMap(({ visits }) => visits.flatMap(({ near, far }) => [...near, ...far]))
    .filter(({ kind }) => kind === "openPath" || kind === "abandonPath")

describe("a broken core", () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** The problems found by the first scenarios, joined into one string. */
  const problems = async (seeds: number): Promise<string> => {
    const found: Array<string> = []
    for (let seed = 0; seed < seeds; seed++) found.push(...(await runScenario(draw(seed))).problems)
    return found.join("\n")
  }

  it("is caught when it changes a byte of a stream", async () => {
    const read = ReceiveStream.prototype.read
    let calls = 0
    vi.spyOn(ReceiveStream.prototype, "read").mockImplementation(function (this: ReceiveStream, max) {
      const bytes = read.call(this, max)
      if (bytes !== undefined && bytes.length > 1_000 && ++calls % 3 === 0) bytes[bytes.length - 1] ^= 1
      return bytes
    })
    expect(await problems(3)).toContain("differ from what was sent")
  })

  it("is caught when it delivers a datagram twice", async () => {
    const receive = DatagramQueue.prototype.receive
    let again: Uint8Array | undefined
    vi.spyOn(DatagramQueue.prototype, "receive").mockImplementation(function (this: DatagramQueue) {
      const bytes = again ?? receive.call(this)
      again = again === undefined ? bytes?.slice() : undefined
      return bytes
    })
    expect(await problems(12)).toContain("arrived twice")
  })

  it("is caught when it does not retransmit lost data", async () => {
    vi.spyOn(StreamSet.prototype, "onLost").mockImplementation(() => {})
    expect(await problems(6)).toMatch(/did not end within|ended 0 times/)
  })

  it("is caught when it leaves packets in flight on a path that was abandoned", async () => {
    vi.spyOn(PathRecovery.prototype, "abandonPackets").mockImplementation(() => new PacketBatch())
    const found: Array<string> = []
    for (let seed = 0; seed < 60 && found.length === 0; seed++) {
      const scenario = draw(seed)
      if (pathTasks(scenario).length > 3) found.push(...(await runScenario(scenario)).problems)
    }
    expect(found.join("\n")).toMatch(/path \d is closing with \d+ packets in flight/)
  })

  it("is caught when its accounting is wrong, even without a visible effect", async () => {
    vi.spyOn(PathRecovery.prototype, "packetsInFlight", "get").mockReturnValue(-1)
    expect(await problems(1)).toContain("Invariant violated: client: -1 packets in flight")
  })
})

describe("a scenario that fails", () => {
  /** Fails as if echoes of more than 100 bytes broke whenever the server's uplink is down for more than 50 ms. */
  const fails = ({ clients, faults }: Scenario): boolean =>
    faults.some(
      ({ fault }) => fault.kind === "linkDown" && fault.link === names.uplink && (fault.forMillis ?? 0) > 50
    ) &&
    clients.some(({ visits }) =>
      visits.some(({ near }) => near.some((task) => task.kind === "echo" && task.bytes > 100))
    )

  it("shrinks to a minimum in a few hundred runs, deterministically", async () => {
    const seed = Array.from({ length: 500 }, (_, seed) => seed).find((seed) => fails(draw(seed)))!
    let runs = 0
    const shrink = () =>
      shrinkScenario(draw(seed), (candidate) => {
        runs++
        return Promise.resolve(fails(candidate))
      })
    const small = await shrink()
    expect(small.runs).toBe(runs)
    expect(small.runs).toBeLessThanOrEqual(300)
    expect(small.scenario.faults).toEqual([
      { atMillis: 0, fault: expect.objectContaining({ kind: "linkDown", link: names.uplink }) }
    ])
    const tasks = small.scenario.clients.flatMap(({ visits }) =>
      visits.flatMap(({ near, far }) => [...near, ...far])
    )
    expect(tasks).toEqual([expect.objectContaining({ kind: "echo", atMillis: 0, pauseMillis: 0 })])
    expect(small.scenario.clients.flatMap(({ transport }) => Object.keys(transport))).toEqual([])
    expect(await shrink()).toEqual(small)
  })
})
