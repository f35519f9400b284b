import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { QlogTrace } from "../../src/qlog/QlogTrace.ts"
import { toDirectory } from "../../layers/node/NodeQlog.ts"
import { MAX_LOG_BYTES } from "../../src/cli/inspect.ts"
import { CorePair } from "../connection/CorePair.ts"
import { runCli, scratch } from "./runCli.ts"

it("writes a page beside the log or where it is told, and replaces none unasked", async () => {
  const directory = scratch()
  const qlog = toDirectory(directory)
  const pair = new CorePair({
    observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, qlog)
  }).exchange()
  pair.client.close(0, "", pair.nowMicros)
  pair.exchange()
  const name = readdirSync(directory).find((each) => each.endsWith("_client.sqlog"))!
  const log = join(directory, name)
  const beside = log.replace(/sqlog$/, "html")

  const { code, stdout, stderr } = await runCli(["inspect", log])
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  expect(stdout).toContain(`${beside}  `)
  expect(stdout).toMatch(/\d+ packets sent, \d+ received, 0 lost, 1 path/)
  const html = readFileSync(beside, "utf8")
  expect(html).toContain(`<title>${name}</title>`)
  expect(html).toContain("TLS_AES_128_GCM_SHA256")

  writeFileSync(beside, "mine")
  expect(await runCli(["inspect", log])).toMatchObject({
    code: 8,
    stderr: `effect-quic: ${beside} already exists; use --force to overwrite it\n`
  })
  expect(readFileSync(beside, "utf8")).toBe("mine")
  expect((await runCli(["inspect", log, "--force"])).code).toBe(0)
  expect(readFileSync(beside, "utf8")).toBe(html)

  truncateSync(log, readFileSync(log).length - 20)
  const cut = await runCli(["inspect", log, "-o", "-"])
  expect(cut.code).toBe(0)
  expect(cut.stdout.startsWith("<!doctype html>")).toBe(true)
  expect(cut.stderr).toBe("effect-quic: warning: the log ends in the middle of a record\n")
})

it("says what it cannot read", async () => {
  const directory = scratch()
  const other = join(directory, "other.sqlog")
  writeFileSync(other, "{}")
  expect(await runCli(["inspect", other])).toMatchObject({
    code: 8,
    stderr: `effect-quic: ${other}: not a qlog as QLOGDIR writes it (.sqlog, JSON text sequences)\n`
  })
  truncateSync(other, MAX_LOG_BYTES + 1)
  expect(await runCli(["inspect", other])).toMatchObject({
    code: 8,
    stderr: `effect-quic: ${other}: larger than 268 MB, the most that inspect reads\n`
  })
  mkdirSync(join(directory, "logs"))
  expect((await runCli(["inspect", join(directory, "logs")])).stderr).toContain("a directory; name one")
  expect(await runCli(["inspect", join(directory, "none.sqlog")])).toMatchObject({ code: 8 })
})
