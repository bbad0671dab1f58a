import { defineConfig } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

/** The page is served by the Python package; `single` makes one HTML file for hosts that embed it. */
export default defineConfig(({ mode }) => {
  const single = mode === "single";
  return {
    base: "./",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    publicDir: single ? false : "public",
    plugins: single ? [viteSingleFile()] : [],
    build: {
      outDir: single ? "../src/spacetravlr/mcp/app" : "../src/spacetravlr/viewer/static",
      emptyOutDir: true,
      target: "es2022",
      modulePreload: { polyfill: false },
      assetsInlineLimit: single ? 1e9 : 0,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1200,
    },
    server: {
      port: 5173,
      proxy: { "/api": process.env["STL_API"] ?? "http://127.0.0.1:8091" },
    },
    test: { environment: "node", include: ["tests/**/*.test.ts"] },
  } as import("vite").UserConfig;
});
