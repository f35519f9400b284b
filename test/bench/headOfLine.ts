/**
 * How long a heartbeat takes beside a log that fills the link, over our transport and over TLS; a picture of the two
 * distributions.
 */
import { type ChildProcess, fork } from "node:child_process"
import { writeFileSync } from "node:fs"
import type { HeartbeatAnswer } from "./heartbeatSides.ts"
import { type HeartbeatSystem, heartbeatTransports } from "./heartbeats.ts"
import { certificate } from "./identity.ts"
import { distributions } from "./distributions.ts"
import { type Link, withLink } from "./link.ts"
import { printFigures, type Row } from "./report.ts"
import { heard } from "./sides.ts"
import { quantiles } from "./system.ts"

const RTT_MILLIS = 20
/** The queue before the limit holds as much as is on its way, as a router's should. */
const shape = { delayMillis: RTT_MILLIS / 2, bitsPerSecond: 20e6, queueMillis: RTT_MILLIS }
const conditions = `${RTT_MILLIS} ms RTT, 20 Mbit/s, a queue of ${RTT_MILLIS} ms`

const measure = async (system: HeartbeatSystem, link: Link, millis: number): Promise<HeartbeatAnswer> => {
  const { certPem, keyPem } = await certificate()
  const start = (launcher: ReadonlyArray<string>, ...args: ReadonlyArray<unknown>): ChildProcess => {
    const [execPath, ...execArgv] = [...launcher, process.execPath]
    return fork(new URL("heartbeatSides.ts", import.meta.url), [system, ...args].map(String), {
      execPath,
      execArgv,
      env: { ...process.env, BENCH_CERT: certPem, BENCH_KEY: keyPem },
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
  }
  const server = start(link.server, "server", link.host)
  try {
    const { port } = await heard<{ port: number }>(server)
    const client = start(link.client, "client", link.host, port, millis)
    try {
      return await heard<HeartbeatAnswer>(client)
    } finally {
      client.disconnect()
    }
  } finally {
    server.disconnect()
  }
}

const figuresOf = ({ idle, loaded, lost, logBytesPerSecond }: HeartbeatAnswer) => {
  const [alone, beside] = [quantiles([...idle]), quantiles([...loaded])]
  return [
    { metric: "heartbeat alone, p50", value: alone.p50, unit: "ms" },
    { metric: "heartbeat alone, p99", value: alone.p99, unit: "ms" },
    { metric: "heartbeat beside the log, p50", value: beside.p50, unit: "ms" },
    { metric: "heartbeat beside the log, p99", value: beside.p99, unit: "ms" },
    { metric: "p99, more than alone, in RTTs", value: (beside.p99 - alone.p99) / RTT_MILLIS, unit: "" },
    { metric: "heartbeats lost", value: lost, unit: "" },
    { metric: "the log", value: (8 * logBytesPerSecond) / 1e6, unit: "Mbit/s" }
  ]
}

/** Writes the picture to `file` if given. */
export const headOfLineRows = async (
  title: string,
  isQuick: boolean,
  file: string | undefined
): Promise<Array<Row>> => {
  const rows: Array<Row> = []
  const curves = new Map<string, ReadonlyArray<number>>()
  await withLink(async (link) => {
    await link.set(shape)
    for (const system of Object.keys(heartbeatTransports) as ReadonlyArray<HeartbeatSystem>) {
      const answer = await measure(system, link, isQuick ? 2_000 : 20_000)
      curves.set(`${system}, alone`, answer.idle)
      curves.set(`${system}, beside the log`, answer.loaded)
      for (const row of printFigures(`${title}: ${system}`, { conditions, figures: figuresOf(answer) }))
        rows.push({ ...row, system })
    }
  })
  if (file !== undefined && curves.size > 0)
    writeFileSync(
      file,
      distributions("Round trip of a heartbeat beside a log that fills the link", conditions, curves)
    )
  return rows
}
