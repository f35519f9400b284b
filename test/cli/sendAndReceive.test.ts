/** Files from one process to another by a ticket: whole, resumed, refused, and what is left behind. */
import { randomBytes } from "node:crypto"
import {
  chmodSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { spawn } from "node:child_process"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect, it, vi } from "vitest"
import { NodeCryptoSuite, NodeEntropy } from "../../layers/node/index.ts"
import { ExitCode, exitCodeOf } from "../../src/cli/exitCodes.ts"
import { findFiles, offerFiles } from "../../src/cli/offeredFiles.ts"
import { CliFailure, describe as describeError } from "../../src/cli/report.ts"
import { eventually, runCli, type RunningCli, scratch, startCli } from "./runCli.ts"

const bin = new URL("../../layers/node/bin.ts", import.meta.url).pathname

const layer = Layer.mergeAll(NodeServices.layer, NodeCryptoSuite.layer, NodeEntropy.layer)

// several processes, on machines that may be busy
vi.setConfig({ testTimeout: 240_000 })

/** Files to send, and an empty directory to receive into. */
const site = () => {
  const directory = scratch()
  const out = join(directory, "out")
  const tree = join(directory, "tree")
  mkdirSync(join(tree, "deep", "empty"), { recursive: true })
  writeFileSync(join(tree, "a.bin"), randomBytes(700_000))
  writeFileSync(join(tree, "nothing"), "")
  writeFileSync(join(tree, "deep", "run.sh"), "#!/bin/sh\n")
  chmodSync(join(tree, "deep", "run.sh"), 0o755)
  symlinkSync("/etc/passwd", join(tree, "link"))
  writeFileSync(join(directory, "big.bin"), randomBytes(12_000_000))
  return { directory, out, tree, big: join(directory, "big.bin") }
}

const startSend = async (...args: ReadonlyArray<string>) => {
  const sender = startCli(["send", ...args, "--host", "127.0.0.1"])
  const [, ticket] = await sender.printed(/effect-quic receive (\S+)\n/)
  return { sender, ticket }
}

const sameFile = (a: string, b: string) => expect(readFileSync(a).equals(readFileSync(b))).toBe(true)
const listed = (directory: string) => readdirSync(directory, { recursive: true }).toSorted()

/** Interrupts a receiver that has some of a large file. */
const receiveSome = async (ticket: string, out: string): Promise<RunningCli> => {
  const receiver = startCli(["receive", ticket, "-o", out])
  const hasSome = () => {
    try {
      return readdirSync(out).some(
        (name) => name.endsWith(".part") && statSync(join(out, name)).size > 1_000_000
      )
    } catch {
      return false
    }
  }
  expect(await eventually(hasSome, 60_000)).toBe(true)
  receiver.kill("SIGSTOP")
  return receiver
}

describe("send and receive", () => {
  it("carry files and directories, to several receivers, and to one that has everything", async () => {
    const { big, out, tree } = site()
    const { sender, ticket } = await startSend(tree, big)
    const { code, stderr, stdout } = await runCli(["receive", ticket, "-o", out])
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toMatch(/^5 files {2}12\.7 MB in .*, verified\n$/)
    expect(listed(out)).toEqual([
      "big.bin",
      ...listed(join(tree, ".."))
        .filter((p) => String(p).startsWith("tree"))
        .filter((p) => p !== "tree/link")
    ])
    for (const name of ["a.bin", "nothing", "deep/run.sh"])
      sameFile(join(tree, name), join(out, "tree", name))
    sameFile(big, join(out, "big.bin"))
    expect(statSync(join(out, "tree/deep/run.sh")).mode & 0o111).toBe(0o111)
    expect(statSync(join(out, "tree/a.bin")).mode & 0o111).toBe(0)
    await sender.printed(/has everything: 12\.7 MB sent/)
    expect(sender.stderr).toMatch(/tree\/link: not a file, not sent/)
    const again = await runCli(["receive", ticket, "-o", out])
    expect({ code: again.code, stdout: again.stdout }).toEqual({
      code: 0,
      stdout: "5 files  everything is here already, verified\n"
    })
    sender.kill("SIGINT")
    expect((await sender.finished).code).toBe(0)
  })

  it("go on after an interrupt of the receiver, which says what it has", async () => {
    const { big, out } = site()
    const { ticket } = await startSend(big)
    const receiver = await receiveSome(ticket, out)
    receiver.kill("SIGINT")
    receiver.kill("SIGCONT")
    const { code, stderr } = await receiver.finished
    expect(code).toBe(130)
    expect(stderr).toMatch(
      /^effect-quic: \S+ MB of 12\.0 MB are here; the same command goes on from there\n$/
    )
    expect(readdirSync(out).length).toBe(1)
    expect(readdirSync(out)[0]).toMatch(/^big\.bin\.[0-9a-f]{8}\.part$/)
    const rest = await runCli(["receive", ticket, "-o", out])
    expect(rest.stdout).toMatch(/^big\.bin {2}\S+ MB in .*, verified; \S+ MB were here already\n$/)
    expect(readdirSync(out)).toEqual(["big.bin"])
    sameFile(big, join(out, "big.bin"))
  })

  it("go on after the sender was started anew, with another ticket", async () => {
    const { big, out } = site()
    const first = await startSend(big)
    const receiver = await receiveSome(first.ticket, out)
    first.sender.kill("SIGINT")
    first.sender.kill("SIGINT")
    await first.sender.finished
    receiver.kill("SIGCONT")
    const lost = await receiver.finished
    expect(lost.code).toBe(ExitCode.lost)
    expect(lost.stderr).toMatch(
      /^effect-quic: .* are here; the same command .*\neffect-quic: closed by the peer.*\n$/
    )
    const { ticket } = await startSend(big)
    expect(ticket).not.toBe(first.ticket)
    const rest = await runCli(["receive", ticket, "-o", out])
    expect(rest.stdout).toMatch(/were here already/)
    sameFile(big, join(out, "big.bin"))
  })

  it("fetch again what was damaged in the file of an earlier attempt, and only that and what follows", async () => {
    const { big, out } = site()
    const { sender, ticket } = await startSend(big)
    const receiver = await receiveSome(ticket, out)
    receiver.kill("SIGINT")
    receiver.kill("SIGCONT")
    await receiver.finished
    const part = join(out, readdirSync(out)[0])
    const bytes = readFileSync(part)
    bytes[600_000] ^= 1
    writeFileSync(part, bytes)
    const { code, stdout } = await runCli(["receive", ticket, "-o", out])
    expect(code).toBe(0)
    // two chunks of 256 KiB before the damage
    expect(stdout).toMatch(/; 524 kB were here already\n$/)
    sameFile(big, join(out, "big.bin"))
    await sender.printed(/has everything: 11\.5 MB sent/)
  })

  it("end with a code of its own when the file is not what was offered", async () => {
    const { big, out } = site()
    utimesSync(big, 1_700_000_000, 1_700_000_000)
    const { sender, ticket } = await startSend(big)
    const bytes = readFileSync(big)
    bytes[1_000_000] ^= 1
    writeFileSync(big, bytes)
    utimesSync(big, 1_700_000_000, 1_700_000_000)
    const corrupt = await runCli(["receive", ticket, "-o", out])
    expect(corrupt.code).toBe(ExitCode.corrupt)
    expect(corrupt.stderr).toMatch(/\neffect-quic: big\.bin: what arrived is not what was offered\n$/)
    expect(readdirSync(out).map((name) => statSync(join(out, name)).size)).toEqual([3 * 262_144])
    truncateSync(big, 1000)
    const changed = await runCli(["receive", ticket, "-o", join(out, "elsewhere")])
    expect(changed.code).toBe(ExitCode.refused)
    expect(changed.stderr).toBe("effect-quic: it has changed at the sender since it was offered\n")
    expect(readdirSync(join(out, "elsewhere"))).toEqual([])
    await sender.printed(/refused: it has changed/)
  })

  it("replace nothing without --force, and begin nothing that cannot be completed", async () => {
    const { big, out, tree } = site()
    const { ticket } = await startSend(tree, big)
    mkdirSync(join(out, "tree"), { recursive: true })
    writeFileSync(join(out, "tree", "a.bin"), "mine")
    const refused = await runCli(["receive", ticket, "-o", out])
    expect(refused.code).toBe(ExitCode.file)
    expect(refused.stderr).toMatch(
      /^effect-quic: \S+tree\/a\.bin is there already, and is something else; --force replaces it\n$/
    )
    expect(readFileSync(join(out, "tree", "a.bin"), "utf8")).toBe("mine")
    expect(readdirSync(out)).toEqual(["tree"])
    expect((await runCli(["receive", ticket, "-o", out, "--force"])).code).toBe(0)
    sameFile(join(tree, "a.bin"), join(out, "tree", "a.bin"))
  })

  it("do not follow a link that is where a directory belongs", async () => {
    const { directory, out, tree } = site()
    const { ticket } = await startSend(tree)
    const elsewhere = join(directory, "elsewhere")
    mkdirSync(elsewhere)
    mkdirSync(out)
    symlinkSync(elsewhere, join(out, "tree"))
    for (const force of [[], ["--force"]]) {
      const { code } = await runCli(["receive", ticket, "-o", out, ...force])
      expect(code).toBe(ExitCode.file)
    }
    expect(readdirSync(elsewhere)).toEqual([])
  })

  it("carry one file to standard output, and refuse to do so with several", async () => {
    const { big, directory, tree } = site()
    const { ticket } = await startSend(big)
    const output = openSync(join(directory, "copy"), "w")
    const receiver = spawn(process.execPath, [bin, "receive", ticket, "-o", "-"], {
      stdio: ["ignore", output, "pipe"]
    })
    let said = ""
    receiver.stderr!.on("data", (bytes) => {
      said += bytes
    })
    expect(await new Promise((resolve) => receiver.once("close", resolve))).toBe(0)
    expect(said).toMatch(/^big\.bin {2}12\.0 MB in .*, verified\n$/)
    sameFile(big, join(directory, "copy"))
    const several = await startSend(tree)
    const refused = await runCli(["receive", several.ticket, "-o", "-"])
    expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: ExitCode.usage, stdout: "" })
    expect(refused.stderr).toMatch(/more than one file is offered/)
  })

  it("carry standard input, once", async () => {
    const { big, directory, out } = site()
    const sender = spawn(process.execPath, [bin, "send", "-", "--name", "piped", "--host", "127.0.0.1"], {
      stdio: [openSync(big, "r"), "pipe", "inherit"]
    })
    let said = ""
    sender.stdout!.on("data", (bytes) => {
      said += bytes
    })
    const ended = new Promise((resolve) => sender.once("close", resolve))
    expect(await eventually(() => /receive \S+\n/.test(said), 60_000)).toBe(true)
    const [, ticket] = /receive (\S+)\n/.exec(said)!
    mkdirSync(out)
    writeFileSync(join(out, "piped"), "mine")
    expect((await runCli(["receive", ticket, "-o", out])).code).toBe(ExitCode.file)
    expect((await runCli(["receive", ticket, "-o", directory])).code).toBe(0)
    sameFile(big, join(directory, "piped"))
    expect(await ended).toBe(0)
    expect(readdirSync(out)).toEqual(["piped"])
  })

  it.each([
    ["some of which has arrived", 300_000],
    ["of which nothing has been read", 0]
  ])("leave nothing of a stream that was interrupted, %s, at either end", async (_, bytes) => {
    const { directory, out } = site()
    const sender = spawn(process.execPath, [bin, "send", "-", "--host", "127.0.0.1"], {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: directory
    })
    let said = ""
    for (const output of [sender.stdout!, sender.stderr!])
      output.on("data", (bytes) => {
        said += bytes
      })
    const ended = new Promise((resolve) => sender.once("close", resolve))
    expect(await eventually(() => /receive \S+\n/.test(said), 60_000)).toBe(true)
    sender.stdin!.on("error", () => {}) // it ends before it has read all
    sender.stdin!.write(randomBytes(bytes))
    const before = listed(directory)
    const receiver = startCli(["receive", /receive (\S+)\n/.exec(said)![1], "-o", out])
    expect(
      await eventually(() => listed(directory).some((path) => String(path).endsWith(".part")), 60_000)
    ).toBe(true)
    receiver.kill("SIGINT")
    expect((await receiver.finished).code).toBe(130)
    expect(readdirSync(out)).toEqual([])
    expect(await ended).toBe(ExitCode.lost)
    expect(said).toMatch(/the receiver left before it had everything/)
    expect(listed(directory)).toEqual([...before, "out"].toSorted())
  })
})

describe("send", () => {
  it("says in one line what it cannot send", async () => {
    const { directory, tree } = site()
    writeFileSync(join(directory, "bad\nname"), "x")
    mkdirSync(join(directory, "other"))
    writeFileSync(join(directory, "other", "a.bin"), "x")
    const cases = [
      [[join(directory, "missing")], /missing: no such file/],
      [["/dev/null"], /\/dev\/null: neither a file nor a directory/],
      [[join(directory, "bad\nname")], /a character that cannot be shown cannot be sent/],
      [[join(tree, "a.bin"), join(directory, "other", "a.bin")], /more than one file is called a\.bin/],
      [[], /nothing is offered/]
    ] as const
    for (const [files, problem] of cases) {
      const offered = Effect.flatMap(findFiles(files), ({ found }) => offerFiles(found, () => {}))
      const error = await Effect.runPromise(Effect.flip(offered).pipe(Effect.provide(layer)))
      expect(describeError(error)).toMatch(problem)
      const exitCode = error instanceof CliFailure ? error.exitCode : exitCodeOf(error)
      expect(exitCode).toBe(ExitCode.file)
    }
    const outside = await runCli(["send", "-", "--name", "../x"])
    expect({ code: outside.code, stderr: outside.stderr }).toEqual({
      code: ExitCode.usage,
      stderr: "effect-quic: --name: the name .. cannot be sent\n"
    })
  })

  it("ends with --once when somebody has everything", async () => {
    const { out, tree } = site()
    const { sender, ticket } = await startSend(tree, "--once")
    expect((await runCli(["receive", ticket, "-o", out])).code).toBe(0)
    expect((await sender.finished).code).toBe(0)
  })
})

describe("receive", () => {
  it("says in one line what is wrong with a ticket, and that nobody answers", async () => {
    const { out, tree } = site()
    const { sender, ticket } = await startSend(tree)
    const cut = await runCli(["receive", ticket.slice(0, -3), "-o", out])
    expect({ code: cut.code, stderr: cut.stderr }).toEqual({
      code: ExitCode.usage,
      stderr: "effect-quic: ticket: its end is damaged or cut off\n"
    })
    const otherOffer = `${ticket.split(".")[0]}.${"0".repeat(52)}`
    const refused = await runCli(["receive", otherOffer, "-o", out])
    expect({ code: refused.code, stderr: refused.stderr }).toEqual({
      code: ExitCode.refused,
      stderr: "effect-quic: the sender does not offer it, or no longer\n"
    })
    sender.kill("SIGINT")
    await sender.finished
    const gone = await runCli(["receive", ticket, "-o", out])
    expect(gone.code).toBe(ExitCode.unreachable)
    expect(gone.stderr).toMatch(/^effect-quic: [^\n]+\n$/)
  })

  it("does not take another peer at the same address for the sender", async () => {
    const { out, tree } = site()
    const first = await startSend(tree)
    first.sender.kill("SIGINT")
    await first.sender.finished
    const [, port] = /:(\d+)/.exec((await runCli(["receive", first.ticket, "-o", out])).stderr) ?? []
    expect(port).toBeDefined()
    await startSend(tree, "--port", port)
    const { code } = await runCli(["receive", first.ticket, "-o", out])
    expect(code).toBe(ExitCode.untrusted)
  })
})
