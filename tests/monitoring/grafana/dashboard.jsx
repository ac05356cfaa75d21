// Draws one dashboard, as its JSON says, with Grafana's own panels. `window.dashboard` is the JSON, each panel with the answers
// of Prometheus to its targets: {refId: [{name, labels, values: [[seconds, value], …]}]}.
import React from 'react';
import { createRoot } from 'react-dom/client';
import {
  applyFieldOverrides, cacheFieldDisplayNames, createTheme, dateTime, FieldType, getDisplayValueAlignmentFactors, getFieldDisplayValues, standardFieldConfigEditorRegistry,
  standardTransformers, standardTransformersRegistry, ThemeContext, toDataFrame, transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, PortalContainer, TimeSeries, VizRepeater } from '@grafana/ui';

import { TableNG } from '@grafana/ui/unstable';

const CELL = 30, MARGIN = 8, WIDTH = 1440;
const theme = createTheme({ colors: { mode: 'dark' } });
const asItIs = (text) => text;

// The registry of field options lives in Grafana's server; here a value is taken as the JSON has it.
const options = ['unit', 'min', 'max', 'decimals', 'noValue', 'thresholds', 'mappings', 'links', 'color']
  .map((id) => ({ id, path: id, name: id, process: asItIs, shouldApply: () => true, getItemsCount: () => 0 }));
standardFieldConfigEditorRegistry.setInit(() => options);
standardTransformersRegistry.setInit(() => [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer]
  .map((one) => ({ id: one.id, name: one.name, transformation: async () => one })));

function series(panel, range) {
  return panel.targets.flatMap(({ refId }) => panel.answers[refId].map(({ name, labels, values }) => toDataFrame({
    refId,
    name,
    fields: [
      { name: 'Time', type: FieldType.time, values: values.map(([at]) => at * 1000), config: { interval: range.step * 1000 } },
      { name: 'Value', type: FieldType.number, values: values.map(([, value]) => value), labels, config: { displayNameFromDS: name } },
    ],
  })));
}

function rows(panel) {
  return panel.targets.flatMap(({ refId }) => {
    const found = panel.answers[refId];
    const labels = [...new Set(found.flatMap((one) => Object.keys(one.labels)))];
    return found.length === 0 ? [] : [toDataFrame({
      refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: found.map((one) => one.values[0][0] * 1000) },
        ...labels.map((label) => ({ name: label, type: FieldType.string, values: found.map((one) => one.labels[label] ?? '') })),
        { name: `Value #${refId}`, type: FieldType.number, values: found.map((one) => one.values[0][1]) },
      ],
    })];
  });
}

function withCustom(frames, panel) {
  const named = (field) => field.config.displayName ?? field.config.displayNameFromDS ?? field.name;
  for (const field of frames.flatMap((frame) => frame.fields)) {
    field.config = { ...field.config, custom: { ...panel.fieldConfig.defaults.custom } };
    for (const { matcher, properties } of panel.fieldConfig.overrides) {
      for (const { id, value } of matcher.options === named(field) ? properties : []) {
        if (id.startsWith('custom.')) field.config.custom[id.slice('custom.'.length)] = value;
      }
    }
  }
  return frames;
}

const standard = (fieldConfig) => ({
  defaults: fieldConfig.defaults,
  overrides: fieldConfig.overrides.map(({ matcher, properties }) =>
    ({ matcher, properties: properties.filter(({ id }) => !id.startsWith('custom.')) })),
});

const finished = (frames, panel) => applyFieldOverrides({
  data: withCustom(frames, panel), fieldConfig: standard(panel.fieldConfig), replaceVariables: asItIs, theme, timeZone: 'browser',
});

function Values({ panel, range, width, height, one }) {
  const shown = getFieldDisplayValues({
    data: finished(series(panel, range), panel), fieldConfig: standard(panel.fieldConfig), replaceVariables: asItIs, theme,
    timeZone: 'browser', reduceOptions: { calcs: panel.options.reduceOptions.calcs, values: false },
  });
  return (
    <VizRepeater width={width} height={height} source={shown} renderCounter={0} getValues={() => shown} autoGrid itemSpacing={4}
      orientation={panel.options.orientation} getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={one} />
  );
}

const Numbers = (props) => <Values {...props} one={({ value, width, height, count, alignmentFactors }) => (
  <BigValue theme={theme} value={value.display} width={width} height={height} count={count} alignmentFactors={alignmentFactors}
    colorMode={props.panel.options.colorMode} graphMode={props.panel.options.graphMode} textMode={props.panel.options.textMode}
    justifyMode={props.panel.options.justifyMode} wideLayout={props.panel.options.wideLayout} />
)} />;

const Bars = (props) => <Values {...props} one={({ value, width, height, orientation, alignmentFactors }) => (
  <BarGauge theme={theme} value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
    width={width} height={height} orientation={orientation} alignmentFactors={alignmentFactors} itemSpacing={4}
    namePlacement={props.panel.options.namePlacement} text={props.panel.options.text} displayMode={props.panel.options.displayMode} showUnfilled={props.panel.options.showUnfilled} />
)} />;

function Lines({ panel, range, width, height }) {
  const frames = finished(series(panel, range), panel);
  if (frames.length === 0) return <p>{panel.fieldConfig.defaults.noValue}</p>;
  return <TimeSeries frames={frames} width={width} height={height} timeZone="browser" legend={panel.options.legend} options={panel.options}
    timeRange={{ from: dateTime(range.start * 1000), to: dateTime(range.end * 1000), raw: { from: 'now-1h', to: 'now' } }} />;
}

function Lists({ panel, width, height }) {
  const [frames, setFrames] = React.useState(null);
  React.useEffect(() => {
    const waiting = transformDataFrame(panel.transformations, rows(panel)).subscribe((made) => {
      const drawn = finished(made, panel);
      cacheFieldDisplayNames(drawn);
      setFrames(drawn);
    });
    return () => waiting.unsubscribe();
  }, [panel]);
  if (!frames) return null;
  if (frames.length === 0) return <p>{panel.fieldConfig.defaults.noValue}</p>;
  return <TableNG data={frames[0]} width={width} height={height} enableSharedCrosshair={false} />;
}

const KINDS = { stat: Numbers, timeseries: Lines, bargauge: Bars, table: Lists };

function Dashboard({ dashboard }) {
  const { panels, range } = dashboard;
  const column = (WIDTH + MARGIN) / 24;
  const place = ({ x, y, w, h }) => ({
    left: x * column, top: 48 + y * (CELL + MARGIN), width: w * column - MARGIN, height: h * (CELL + MARGIN) - MARGIN,
  });
  return (
    <main style={{ position: 'relative', width: WIDTH, margin: MARGIN * 2 }}>
      <h3>{dashboard.title}</h3>
      {panels.map((panel) => {
        const { width, height, ...at } = place(panel.gridPos);
        const Kind = KINDS[panel.type];
        return (
          <div key={panel.id} data-panel={panel.title} style={{ position: 'absolute', width, height, ...at }}>
            {Kind ? (
              <PanelChrome title={panel.title} description={panel.description} width={width} height={height}>
                {(innerWidth, innerHeight) => <Kind panel={panel} range={range} width={innerWidth} height={innerHeight} />}
              </PanelChrome>
            ) : <h6 style={{ padding: '8px 0' }}>{panel.title}</h6>}
          </div>
        );
      })}
    </main>
  );
}

createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}><GlobalStyles /><PortalContainer /><Dashboard dashboard={window.dashboard} /></ThemeContext.Provider>,
);
