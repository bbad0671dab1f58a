import { describe, expect, it } from "vitest";
import { splitEvents } from "../src/api/sse";
import { bitmap } from "../src/state/bitmap";
import { csvText } from "../src/export/table";
import { escapeXml } from "../src/export/xml";
import { bytes, count, csvField, cutTo, lengthText, modulator, number, percent, plural, roundLength, seconds, signed } from "../src/util/format";

describe("numbers", () => {
  it.each([
    [0, "0"],
    [1234567, "1.2e6"],
    [12345, "12,345"],
    [3.14159, "3.14"],
    [-0.0123456, "−0.0123"],
    [0.00012, "1.2e−4"],
    [NaN, "–"],
    [null, "–"],
    [-Infinity, "−∞"],
  ])("writes %s as %s", (value, text) => expect(number(value)).toBe(text));

  it("writes counts, shares, sizes and times", () => {
    expect(count(1000000)).toBe("1,000,000");
    expect(plural(1, "cell")).toBe("1 cell");
    expect(plural(0, "cell")).toBe("0 cells");
    expect(signed(0.5)).toBe("+0.5");
    expect(percent(0.0123)).toBe("1.2 %");
    expect(percent(1)).toBe("100 %");
    expect(bytes(12_400_000)).toBe("12 MB");
    expect(seconds(75)).toBe("1 min 15 s");
  });

  it.each([[0.7, 0.5], [1, 1], [4.9, 2], [120, 100], [999, 500]])("rounds a length of %s to %s", (most, length) =>
    expect(roundLength(most)).toBeCloseTo(length),
  );
});

describe("lengths", () => {
  it.each([
    [200, 1, "200 µm"],
    [100, 0.65, "65 µm"],
    [2000, 1, "2 mm"],
    [0.5, 1, "500 nm"],
    [500, null, "500 coordinate units"],
    [1, null, "1 coordinate unit"],
  ])("writes %s units of %s µm as %s", (units, um, text) => expect(lengthText(units, um)).toBe(text));
});

describe("names", () => {
  it("writes modulators as papers do", () => {
    expect(modulator("beta_Tgfb1$Tgfbr1")).toBe("Tgfb1–Tgfbr1");
    expect(modulator("Tgfb1#Foxo1")).toBe("Tgfb1 → Foxo1");
  });

  it("are cut where there is no room", () => {
    expect(cutTo("mouse 1", 7)).toBe("mouse 1");
    expect(cutTo("mouse 12", 7)).toBe("mou… 12");
    expect(cutTo("mouse 12", 2)).toBe("");
  });

  it("are harmless in a table and in a drawing", () => {
    expect(csvField('a,"b"')).toBe('"a,""b"""');
    expect(csvField("=1+1")).toBe("'=1+1");
    expect(csvField(-1)).toBe("-1");
    expect(csvField(NaN)).toBe("");
    expect(escapeXml(`<b a="1">&'`)).toBe("&lt;b a=&quot;1&quot;&gt;&amp;&#39;");
    expect(csvText(["i", "x"], [(i) => i, (i) => i / 2], [3, 5])).toBe("i,x\r\n3,1.5\r\n5,2.5\r\n");
  });
});

describe("events", () => {
  it("come out whole however the text is cut", () => {
    const text = 'event: progress\ndata: {"a":1}\n\n: heartbeat\n\nevent: end\r\ndata: {"b":\r\ndata: 2}\r\n\r\n';
    for (let cut = 0; cut <= text.length; cut++) {
      const first = splitEvents(text.slice(0, cut));
      const second = splitEvents(first.rest + text.slice(cut));
      expect([...first.events, ...second.events]).toEqual([
        { event: "progress", data: '{"a":1}' },
        { event: "end", data: '{"b":\n2}' },
      ]);
    }
  });
});

it("packs a selection with the first cell in the lowest bit", () => {
  expect([...bitmap(Uint8Array.from([1, 0, 0, 1, 0, 0, 0, 0, 1]))]).toEqual([9, 1]);
});
