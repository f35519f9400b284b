import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    pool: "threads",
    // one for each core: vitest leaves one to itself, which has little to do
    maxWorkers: 2
  }
})
