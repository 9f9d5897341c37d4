// Who asks whom, drawn: boxes in layers, lines as thick as the rate, red where calls fail.
// The same in a table below, for whoever reads it rather.

import { useMemo, useState } from 'preact/hooks';
import type { Edge, GraphNode } from '../api';
import { percent, rate, seconds } from '../format';
import { useWidth } from '../parts/chart';
import { errorHeat } from '../parts/heat';
import { to } from '../router';
import { planOf, type Placed, type Plan } from './layout';

const HEIGHT = 42;
const GAP = 12;
const PITCH_MAX = 330;
/** Boxes and the room to the next: narrower where there are many layers. */
const WIDE = { box: 168, pitch: 218 };
const NARROW = { box: 136, pitch: 172 };

export function ServiceGraph({ nodes, edges, here }: { nodes: GraphNode[]; edges: Edge[]; here?: string }) {
  const plan = useMemo(() => planOf(nodes, edges), [nodes, edges]);
  const [box, width] = useWidth();
  const [pointed, setPointed] = useState<string | null>(null);
  const room = (plan.layers - 1) * WIDE.pitch + WIDE.box + 4 <= width ? WIDE : NARROW;
  const pitch = plan.layers > 1 ? Math.min(PITCH_MAX, Math.max(room.pitch, (width - room.box - 4) / (plan.layers - 1))) : room.pitch;
  const place = placer(plan, pitch);
  const size = { width: (plan.layers - 1) * pitch + room.box + 4, height: plan.rows * (HEIGHT + GAP) - GAP + 8 };
  const isNear = (name: string) => !pointed || name === pointed
    || plan.edges.some(({ client, server }) => (client === pointed && server === name) || (server === pointed && client === name));
  return (
    <div class="graph" ref={box} data-testid="graph">
      {plan.rest > 0 && <p class="note">{plan.rest} services that are asked least are left out of the picture.</p>}
      <div class="graph-scroll" tabIndex={size.width > width ? 0 : undefined} style={{ minHeight: `${size.height}px` }}>
        {width > 0 && (
          <div class="graph-plane" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
            <svg width={size.width} height={size.height} aria-hidden="true">
              {plan.edges.map((edge) => (
                <Line
                  key={`${edge.client} ${edge.server} ${edge.connection_type}`}
                  edge={edge}
                  from={place(edge.client)}
                  to={place(edge.server)}
                  width={room.box}
                  faint={pointed !== null && edge.client !== pointed && edge.server !== pointed}
                />
              ))}
            </svg>
            {plan.nodes.map((node) => (
              <Box key={node.name} node={node} at={place(node.name)} width={room.box} isHere={node.name === here} faint={!isNear(node.name)} onPoint={setPointed} />
            ))}
          </div>
        )}
      </div>
      <details>
        <summary>As a table</summary>
        <Edges edges={edges} />
      </details>
    </div>
  );
}

interface At {
  x: number;
  y: number;
}

/** Layers stand around one middle line. */
function placer(plan: Plan, pitch: number): (name: string) => At {
  const counts = new Map<number, number>();
  for (const { layer } of plan.nodes) counts.set(layer, (counts.get(layer) ?? 0) + 1);
  const step = HEIGHT + GAP;
  const at = new Map(plan.nodes.map(({ name, layer, row }) => [name, { x: 2 + layer * pitch, y: 4 + ((plan.rows - counts.get(layer)!) / 2 + row) * step }]));
  return (name) => at.get(name) ?? { x: 0, y: 0 };
}

function Line({ edge, from, to: end, width, faint }: { edge: Edge; from: At; to: At; width: number; faint: boolean }) {
  const [x1, y1] = [from.x + width, from.y + HEIGHT / 2];
  const [x2, y2] = [end.x - 5, end.y + HEIGHT / 2];
  const bend = x2 > x1 ? (x2 - x1) / 2 : 60;
  const heat = errorHeat(edge.failed_ratio);
  const thick = 1 + Math.min(5, Math.log10(1 + (edge.rate ?? 0)) * 1.4);
  const says = `${edge.client} → ${edge.server}: ${rate(edge.rate)}, ${percent(edge.failed_ratio)} failed, p95 ${seconds(edge.p95_seconds)}`;
  return (
    <g class={`graph-edge ${heat} ${faint ? 'dim' : ''}`}>
      <path class="line" stroke-width={thick} d={`M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`}><title>{says}</title></path>
      <path class="arrow" d={`M${x2 - 2},${y2 - 4}l7,4l-7,4z`} />
    </g>
  );
}

interface BoxProps {
  node: Placed;
  at: At;
  width: number;
  isHere: boolean;
  faint: boolean;
  onPoint(name: string | null): void;
}

function Box({ node, at, width, isHere, faint, onPoint }: BoxProps) {
  const { name, kind, failed_ratio } = node;
  const isAsked = node.rate > 0;
  const shown = {
    class: `graph-node kind-${kind} ${errorHeat(failed_ratio)} ${isHere ? 'here' : ''} ${faint ? 'dim' : ''}`,
    style: { left: `${at.x}px`, top: `${at.y}px`, width: `${width}px`, height: `${HEIGHT}px` },
    title: `${name}: asked ${rate(node.rate)}, ${percent(failed_ratio)} failed`,
    'data-testid': 'graph-node',
    onPointerEnter: () => onPoint(name),
    onPointerLeave: () => onPoint(null),
    onFocus: () => onPoint(name),
    onBlur: () => onPoint(null),
  };
  const inside = (
    <>
      <b>{name}</b>
      <span>{isAsked ? <>{rate(node.rate)}{failed_ratio ? <em> {percent(failed_ratio)} fail</em> : null}</> : kind === 'service' ? 'asks only' : kind === 'virtual' ? 'outside' : kind}</span>
    </>
  );
  return kind === 'service' ? <a href={to.service(name)} aria-current={isHere ? 'true' : undefined} {...shown}>{inside}</a> : <div {...shown}>{inside}</div>;
}

export function Edges({ edges }: { edges: Edge[] }) {
  return (
    <div class="scroll">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col" class="number">Requests</th>
            <th scope="col" class="number">Failed</th>
            <th scope="col" class="number">p95</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((edge) => (
            <tr key={`${edge.client} ${edge.server} ${edge.connection_type}`} data-testid="edge-row">
              <td><a href={to.service(edge.client)}>{edge.client}</a></td>
              <td><span class="muted">→ </span><a href={to.service(edge.server)}>{edge.server}</a> <span class="muted small">{(edge.connection_type ?? '').replaceAll('_', ' ')}</span></td>
              <td class="number">{rate(edge.rate)}</td>
              <td class={`number ${errorHeat(edge.failed_ratio)}`}>{percent(edge.failed_ratio)}</td>
              <td class="number">{seconds(edge.p95_seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
