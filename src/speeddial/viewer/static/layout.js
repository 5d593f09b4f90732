// A layered drawing of a small graph: longest path from the start, dummies for long edges, two sweeps of
// barycentres to part crossings (Sugiyama, Tagawa and Toda 1981, without the fine placement).

/**
 * nodes: [{ id, after: [ids] }] without cycles, in any order; size: { width, height } of a node;
 * gap: { layer, node }; down: layers under one another, else side by side.
 * -> { places: Map id -> { x, y, layer }, edges: [{ from, to, points }], layers: [[ids]], width, height }
 */
export function layered(nodes, { size, gap, down }) {
  const layerOf = longestPaths(nodes);
  const layers = [];
  const put = (id, layer) => (layers[layer] ??= []).push(id);
  for (const { id } of nodes) put(id, layerOf.get(id));

  const before = new Map(); // id -> its predecessors, dummies among them
  const edges = [];
  for (const { id, after } of nodes)
    for (const from of after) {
      const way = [from];
      for (let layer = layerOf.get(from) + 1; layer < layerOf.get(id); layer++) {
        const dummy = `${from}>${id}@${layer}`;
        put(dummy, layer);
        before.set(dummy, [way.at(-1)]);
        way.push(dummy);
      }
      before.set(id, [...(before.get(id) ?? []), way.at(-1)]);
      edges.push({ from, to: id, way: [...way, id] });
    }
  order(layers, before);

  const real = new Set(nodes.map((node) => node.id));
  const [along, across] = down ? [size.height, size.width] : [size.width, size.height];
  const breadth = (id) => (real.has(id) ? across : 10);
  const widths = layers.map((layer) => layer.reduce((sum, id) => sum + breadth(id) + gap.node, -gap.node));
  const most = Math.max(...widths);
  const places = new Map();
  layers.forEach((layer, index) => {
    let at = (most - widths[index]) / 2;
    for (const id of layer) {
      const main = index * (along + gap.layer);
      places.set(id, down ? { x: at, y: main, layer: index } : { x: main, y: at, layer: index });
      at += breadth(id) + gap.node;
    }
  });
  const length = layers.length * (along + gap.layer) - gap.layer;
  const port = (id, end) => {
    const { x, y } = places.get(id);
    const middle = breadth(id) / 2;
    const reach = end ? along : 0; // the far side of a node is where edges leave it
    return down ? [x + middle, y + reach] : [x + reach, y + middle];
  };
  return {
    places: new Map([...places].filter(([id]) => real.has(id))),
    layers: layers.map((layer) => layer.filter((id) => real.has(id))),
    edges: edges.map(({ from, to, way }) => ({ from, to, path: path(way, port, real, down) })),
    width: down ? most : length,
    height: down ? length : most,
  };
}

function longestPaths(nodes) {
  const after = new Map(nodes.map((node) => [node.id, node.after]));
  const layer = new Map();
  for (const { id } of nodes) {
    const open = [id];
    while (open.length) {
      const top = open.at(-1);
      const waiting = after.get(top).filter((one) => !layer.has(one));
      if (waiting.length) open.push(...waiting);
      else layer.set(open.pop(), Math.max(-1, ...after.get(top).map((one) => layer.get(one))) + 1);
    }
  }
  return layer;
}

function order(layers, before) {
  for (let sweep = 0; sweep < 2; sweep++)
    for (let index = 1; index < layers.length; index++) {
      const rank = new Map(layers[index - 1].map((id, at) => [id, at]));
      const centre = new Map(
        layers[index].map((id, at) => {
          const known = (before.get(id) ?? []).map((one) => rank.get(one)).filter((one) => one !== undefined);
          return [id, known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : at];
        }),
      );
      layers[index].sort((a, b) => centre.get(a) - centre.get(b));
    }
}

function path(way, port, real, down) {
  const points = way.flatMap((id, index) => {
    const stops = [];
    if (index > 0) stops.push(port(id, false));
    if (index < way.length - 1 && (index === 0 || !real.has(id))) stops.push(port(id, true));
    return stops;
  });
  let d = `M${points[0].join(" ")}`;
  for (let at = 1; at < points.length; at++) {
    const [[x0, y0], [x1, y1]] = [points[at - 1], points[at]];
    const bend = down ? [x0, (y0 + y1) / 2, x1, (y0 + y1) / 2] : [(x0 + x1) / 2, y0, (x0 + x1) / 2, y1];
    d += `C${bend[0]} ${bend[1]} ${bend[2]} ${bend[3]} ${x1} ${y1}`;
  }
  return d;
}
