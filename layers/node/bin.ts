#!/usr/bin/env node
/**
 * Starts `effect-quic` on Node with what earlier commands have compiled: compiling it again would be half the time that a
 * short command takes.
 */
import "./supportedNode.ts"
import * as module from "node:module"
import { join } from "node:path"

/** The user's own: what is read from it is run, so it is nowhere where others can write. */
const cacheDirectory = (): string | undefined => {
  const { HOME, LOCALAPPDATA, XDG_CACHE_HOME } = process.env
  if (process.platform === "win32") return LOCALAPPDATA
  return XDG_CACHE_HOME || (HOME && join(HOME, ".cache"))
}

const directory = cacheDirectory()

// what cannot be kept is compiled again; other runtimes may have nothing of the kind
if (directory) module.enableCompileCache?.(join(directory, "effect-quic"))

await import("./cli.ts")
