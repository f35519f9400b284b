import type { Role } from "../../../src/wire/Role.ts"
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import { InteropFailure, type Peer } from "../Peer.ts"
import { PeerProcess } from "../PeerProcess.ts"
import { noMultipath, runProgram } from "./programs.ts"

/** Where Debian installs Go sources for offline builds, without modules. */
const goPath = "/usr/share/gocode"
const source = new URL("../programs/quic-go/main.go", import.meta.url).pathname
const binary = new URL("../../../.cache/interop/quic-go", import.meta.url).pathname

const prepare = Effect.scoped(
  Effect.gen(function* () {
    if (!existsSync("/usr/bin/go") || !existsSync(`${goPath}/src/github.com/lucas-clemente/quic-go`)) {
      return yield* new InteropFailure({
        reason: "install with apt-get install golang-go golang-github-lucas-clemente-quic-go-dev"
      })
    }
    const build = yield* PeerProcess.start("/usr/bin/env", [
      `GOPATH=${goPath}`,
      "GO111MODULE=off",
      "go",
      "build",
      "-o",
      binary,
      source
    ])
    const exitCode = yield* build.exitCode
    if (exitCode !== 0) return yield* build.failure("its program failed to build")
  })
)

const unmoved = "it never validates a path, and keeps sending to the client's original address"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: {
    v2: "its version 2 is a draft's, 0x709a50c4",
    connectionmigration: "its client cannot migrate"
  },
  server: {
    v2: "its version 2 is a draft's, 0x709a50c4",
    "rebind-port": unmoved,
    "rebind-addr": unmoved,
    connectionmigration: unmoved
  }
}

export const quicGo: Peer = {
  name: "quic-go",
  description: "quic-go 0.29, Debian",
  application: "transfer",
  credentials: "x509",
  prepare,
  cannot: (caseName, role) => (caseName === "multipath" ? noMultipath : limits[role][caseName]),
  ...runProgram([binary])
}
