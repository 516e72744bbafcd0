package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

type drawn = cog.Builder[dashboard.Panel]

// number is one figure, coloured by the limits.
func number() drawn {
	return stat.NewPanelBuilder().ReduceOptions(lastValue()).GraphMode(common.BigValueGraphModeNone).
		ColorMode(common.BigValueColorModeBackground).TextMode(common.BigValueTextModeValue).
		Orientation(common.VizOrientationAuto)
}

func lastValue() *common.ReduceDataOptionsBuilder {
	return common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})
}

// lines are values over time, with the limits as dashed lines.
func lines() drawn { return graph().Min(0) }

// offsets are values on both sides of zero.
func offsets() drawn { return graph() }

// steps are counts over time: each holds until the next.
func steps() drawn { return graph().Min(0).LineInterpolation(common.LineInterpolationStepAfter) }

// areas are counts over time that add up.
func areas() drawn {
	return graph().Min(0).LineInterpolation(common.LineInterpolationStepAfter).FillOpacity(60).Stacking(addedUp())
}

// bars are events over time, as many as happened in what each bar stands for. They are few, and so wide that an event
// is in one of them, and not a part of it in each of several.
func bars() drawn {
	return graph().Min(0).DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).LineWidth(0).Stacking(addedUp()).
		MaxDataPoints(100)
}

func graph() *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
}

func addedUp() *common.StackingConfigBuilder {
	return common.NewStackingConfigBuilder().Mode(common.StackingModeNormal)
}

// ranking is a bar each, coloured by the limits.
func ranking() drawn {
	return bargauge.NewPanelBuilder().ReduceOptions(lastValue()).Orientation(common.VizOrientationHorizontal).
		DisplayMode(common.BarGaugeDisplayModeGradient).Min(0)
}

// spread shows how a histogram's values are spread over time.
func spread() drawn {
	return heatmap.NewPanelBuilder().HideLegend().
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Oranges").Steps(64)).
		RowsFrame(heatmap.NewRowsHeatmapOptionsBuilder().Layout(common.HeatmapCellLayoutAuto)).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(units.Seconds)).MaxDataPoints(100)
}

// rows is a table, whose columns are queries.
func rows() drawn {
	return table.NewPanelBuilder().ShowHeader(true).Filterable(true).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{"sum"}))
}
