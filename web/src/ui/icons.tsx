/** Line icons, 16 × 16, drawn with the text colour. */

const PATHS = {
  pan: "M8 2v12M2 8h12M8 2 6 4M8 2l2 2M8 14l-2-2M8 14l2-2M2 8l2-2M2 8l2 2M14 8l-2-2M14 8l-2 2",
  box: "M2.5 3.5h11v9h-11z",
  lasso: "M8 3c3.3 0 6 1.6 6 3.7s-2.7 3.7-6 3.7-6-1.6-6-3.7S4.7 3 8 3ZM4.2 9.500c-1 1-.8 2.3.4 2.5 1.2.2 1.4 1.6.2 2.3",
  fit: "M2.5 6V2.500H6M10 2.500h3.500V6M13.5 10v3.500H10M6 13.500H2.500V10",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 5.200a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.600ZM8 1.500v1.600M8 12.900v1.600M1.5 8h1.600M12.9 8h1.600M3.4 3.400l1.1 1.100M11.5 11.500l1.1 1.100M3.4 12.600l1.1-1.100M11.5 4.500l1.1-1.1",
  moon: "M13 9.600A5.5 5.5 0 0 1 6.4 3 5.5 5.5 0 1 0 13 9.600Z",
  split: "M2.5 3h11v10h-11zM8 3v10",
  download: "M8 2.500v7.500M5 7.3 8 10.300l3-3M3 13.500h10",
  link: "M6.5 9.500l3-3M7 4.800l1.3-1.300a2.6 2.6 0 0 1 3.7 3.700L10.7 8.500M9 11.200l-1.3 1.300A2.6 2.6 0 0 1 4 8.800L5.3 7.5",
  help: "M5.8 6a2.3 2.3 0 1 1 3.3 2.100c-.7.4-1.1.8-1.1 1.700M8 12.200v.2",
  chevron: "M5.5 3.5 10 8l-4.5 4.5",
  left: "M2.5 3h11v10h-11zM6 3v10",
  right: "M2.5 3h11v10h-11zM10 3v10",
  play: "M5 3.200v9.600L12.5 8z",
  stop: "M4 4h8v8H4z",
  lens: "M7 2.800a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.400ZM10.2 10.200l3.3 3.3",
  flip: "M3 5.5 8 2l5 3.500M3 10.5 8 14l5-3.500M2 8h12",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
