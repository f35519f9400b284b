/** Formatting of help, wrapped to the terminal, and of usage errors, on one line. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CliConfig, CliOutput, Flag, GlobalFlag, type HelpDoc } from "effect/cli"
import { printable } from "../internal/printable.ts"

const columns = 80

/** Wraps text at word boundaries to lines of at most `width` columns. */
export const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** `label` and what it is about, wrapped beside it to lines that fit the narrowest usual terminal. */
export const labelled = (label: string, text: string): ReadonlyArray<string> =>
  wrap(text, columns - label.length).map((line, i) => (i === 0 ? label : " ".repeat(label.length)) + line)

/** Shorter descriptions for the flags every command has. */
const globalFlagDescriptions: Record<string, readonly [type: string, description: string]> = {
  completions: ["SHELL", "Print completions for bash, zsh, fish or powershell"],
  "log-level": ["LEVEL", "debug shows full error details; none is silent"]
}

const tidy = (doc: HelpDoc.HelpDoc): HelpDoc.HelpDoc => ({
  ...doc,
  description: wrap(doc.description, columns - 2).join("\n  "),
  ...(doc.globalFlags && {
    globalFlags: doc.globalFlags.map((flag) => {
      const words = globalFlagDescriptions[flag.name]
      return words === undefined ? flag : { ...flag, type: words[0], description: Option.some(words[1]) }
    })
  })
})

const formatterFor = (colors: boolean): CliOutput.Formatter =>
  CliOutput.defaultFormatter({ colors, globalFlags: "summary" })

const presenter = (colors: boolean): CliOutput.Presenter => ({
  present: (event) => {
    const formatter = formatterFor(colors)
    switch (event._tag) {
      case "Help":
        return Console.log(formatter.formatHelpDoc(tidy(event.helpDoc)))
      case "InvalidInvocation":
        return Effect.forEach(
          event.errors,
          (error) =>
            Console.error(
              `effect-quic: ${printable(error.message)} (${event.commandPath.join(" ")} --help for usage)`
            ),
          { discard: true }
        )
      case "Version":
        return Console.log(formatter.formatVersion(event.name, event.version))
    }
  }
})

/** As the built-in one, whose alias `-v` is for `--verbose` here. */
const version = GlobalFlag.Action({
  flag: Flag.Boolean("version").pipe(
    Flag.withAlias("V"),
    Flag.withDescription("Show version information"),
    Flag.withDefault(false)
  ),
  run: GlobalFlag.Version.run
})

export const layer = (colors: boolean) =>
  Layer.mergeAll(
    CliOutput.layerPresenter(presenter(colors)),
    CliConfig.layer({
      builtIns: [GlobalFlag.Help, version, GlobalFlag.Completions, GlobalFlag.LogLevel]
    })
  )
