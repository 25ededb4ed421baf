/** Colours by class, light and dark as the viewer prefers. Plain rules, no variables: simple renderers know only these. */
const light = `
  .page { fill: #ffffff }
  text { fill: #1f2733 }
  .muted { fill: #667085 }
  .band { fill: #f4f6f9 }
  .grid { stroke: #e2e6ec }
  .leader { stroke: #98a2b3 }
  .suspend { fill: #e59e2c }
  .copy { fill: #3d7edb }
  .resume { fill: #2a9d6b }
  .doubt { fill: #8793a8 }
  .window { fill: #7a5af0 }
  .window-line { stroke: #6a48e6 }
  .window-text { fill: #5b3bd6 }
  .start { stroke: #d2455b }
  .start-text { fill: #c03349 }`;

const dark = `
  .page { fill: #10151c }
  text { fill: #e3e8ef }
  .muted { fill: #94a0b3 }
  .band { fill: #171e28 }
  .grid { stroke: #27303d }
  .leader { stroke: #7c899d }
  .suspend { fill: #f0b04a }
  .copy { fill: #5b9bf3 }
  .resume { fill: #41bd86 }
  .doubt { fill: #9aa7bb }
  .window { fill: #8f74f7 }
  .window-line { stroke: #a08bff }
  .window-text { fill: #b9a8ff }
  .start { stroke: #ff7186 }
  .start-text { fill: #ff8c9d }`;

export const svgStyle = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .title { font-size: 19px; font-weight: 600 }
  .small { font-size: 11px }
  .strong { font-weight: 600 }
  .doubt { fill-opacity: 0.3 }
  .window { fill-opacity: 0.1 }
  .arriving { fill-opacity: 0.55 }
  .start { stroke-dasharray: 4 3 }
  .leader { stroke-width: 1.5 }${light}
  @media (prefers-color-scheme: dark) {${dark}
  }
`;
