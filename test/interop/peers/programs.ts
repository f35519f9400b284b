/** Peers whose program speaks the protocol of programs/program.ts. */
import type { Role } from "../../../src/wire/Role.ts"
import * as Effect from "effect/Effect"
import { serverName } from "../material.ts"
import type { ClientTask, Features, Implementation, Task } from "../Peer.ts"
import { PeerProcess } from "../PeerProcess.ts"

/** Of all peers but one. */
export const noMultipath = "it does not have multipath"

const credentialArgs = ({ self, trusted, mutual }: Task, role: Role): ReadonlyArray<string> => {
  if (self.kind === "rawPublicKey" && trusted.kind === "rawPublicKey")
    return ["--secret", self.secretHex, "--peer", trusted.publicHex]
  if (self.kind !== "x509" || trusted.kind !== "x509")
    throw new Error("both sides of a task must use one kind of credential")
  const identity = role === "server" || mutual ? ["--cert", self.certFile, "--key", self.keyFile] : []
  const trust = role === "client" || mutual ? ["--ca", trusted.authorityFile] : []
  return [...identity, ...trust, "--server-name", serverName]
}

const flag = (name: string, value: string | number | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [name, String(value)]

/** A flag for each requested feature; a program need not support those its `cannot` names. */
const featureArgs = (features: Features): ReadonlyArray<string> => [
  ...flag("--streams", features.streams),
  ...flag("--cipher-suite", features.cipherSuite),
  ...(features.retry ? ["--retry"] : []),
  ...flag("--come-back", features.comeBack),
  ...flag("--key-update", features.keyUpdate),
  ...flag("--version", features.version),
  ...flag("--datagrams", features.datagrams),
  ...(features.migrate ? ["--migrate"] : []),
  ...(features.multipath ? ["--multipath"] : [])
]

/** Runs `command` with `client` or `server` and the flags appended; `onStart` is given each process. */
export const runProgram = (
  command: ReadonlyArray<string>,
  onStart: (process: PeerProcess, role: Role) => void = () => {}
): Omit<Implementation, "name"> => {
  const start = (task: Task, role: Role, ...more: ReadonlyArray<string>) => {
    const [executable, ...first] = [...(task.place?.launcher ?? []), ...command]
    const args = [
      ...first,
      role,
      ...flag("--host", task.place?.host),
      ...more,
      ...credentialArgs(task, role),
      ...featureArgs(task),
      "--send",
      task.send.file
    ]
    return Effect.tap(PeerProcess.start(executable, args), (process) =>
      Effect.sync(() => onStart(process, role))
    )
  }
  return {
    server: Effect.fnUntraced(function* (task: Task) {
      const process = yield* start(task, "server")
      return { port: yield* process.port, received: process.received(task) }
    }),
    client: Effect.fnUntraced(function* (task: ClientTask) {
      const process = yield* start(task, "client", "--port", String(task.port))
      const received = yield* process.received(task)
      const exitCode = yield* process.exitCode
      if (exitCode !== 0) return yield* process.failure(`exited with code ${exitCode}`)
      return received
    })
  }
}

/** One of our own Node programs, run by the current executable. */
export const nodeProgram = (file: string): ReadonlyArray<string> => [
  process.execPath,
  "--no-warnings",
  new URL(`../programs/${file}`, import.meta.url).pathname
]
