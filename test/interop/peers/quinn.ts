import type { Role } from "../../../src/wire/Role.ts"
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import { InteropFailure, type Peer } from "../Peer.ts"
import { PeerProcess } from "../PeerProcess.ts"
import { noMultipath, runProgram } from "./programs.ts"

/** Where Debian installs crates for offline builds. */
const registry = "/usr/share/cargo/registry"
const manifest = new URL("../programs/quinn/Cargo.toml", import.meta.url).pathname
const target = new URL("../../../.cache/interop/quinn", import.meta.url).pathname

/** Half a minute on two cores for a clean build, then a fraction of a second. */
const prepare = Effect.scoped(
  Effect.gen(function* () {
    const missing = new InteropFailure({ reason: "install with apt-get install cargo librust-quinn-dev" })
    if (!existsSync(`${registry}/quinn-0.9.3`)) return yield* missing
    const build = yield* Effect.mapError(
      PeerProcess.start("cargo", [
        ...["build", "--release", "--offline", "--quiet"],
        ...["--manifest-path", manifest, "--target-dir", target],
        ...["--config", `source.crates-io.replace-with="debian"`],
        ...["--config", `source.debian.directory="${registry}"`]
      ]),
      () => missing
    )
    const exitCode = yield* build.exitCode
    if (exitCode !== 0) return yield* build.failure("its program failed to build")
  })
)

const v1Only = "it supports only version 1 and its drafts"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: {
    v2: v1Only,
    connectionmigration: "it rebinds its socket without changing the connection ID"
  },
  server: { v2: v1Only }
}

export const quinn: Peer = {
  name: "quinn",
  description: "quinn 0.9, Debian",
  application: "transfer",
  credentials: "x509",
  prepare,
  cannot: (caseName, role) => (caseName === "multipath" ? noMultipath : limits[role][caseName]),
  ...runProgram([`${target}/release/quinn-interop`])
}
